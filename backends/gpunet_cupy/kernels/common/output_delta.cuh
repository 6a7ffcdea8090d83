// Output activation, loss and ∂L/∂z of one example, by one warp. Two versions, for where the outputs are:
// in memory (any number of them) or one per lane (at most 32).
#pragma once
#include "common/losses.cuh"
#include "common/warp.cuh"

// n outputs in memory: z ← scale ∂L/∂z, where a = g(z + b); returns L in every lane. The canonical pairs
// compute L from z, which stays exact where a has rounded to 0 or 1.
__device__ inline T warp_output_delta(int g, int loss, int n, T* z, const T* b, const T* y, T scale) {
    int lane = threadIdx.x % WARP;
    T L = T(0);
    if (loss == CROSS_ENTROPY) {
        T top = z[0] + b[0], total = T(0);
        for (int k = lane; k < n; k += WARP) top = fmax(top, z[k] + b[k]);
        top = warp_max(top);
        for (int k = lane; k < n; k += WARP) total += exp(z[k] + b[k] - top);
        total = warp_sum(total);
        for (int k = lane; k < n; k += WARP) {
            T x = z[k] + b[k];
            L += cross_entropy_term(x, top, total, y[k]);
            z[k] = softmax_backward(exp(x - top), total, y[k]) * scale;
        }
        return warp_sum(L);
    }
    for (int k = lane; k < n; k += WARP) {
        T x = z[k] + b[k], a = activate(g, x);
        L += loss_value(loss, x, a, y[k]);
        z[k] = loss_backward(g, loss, a, y[k]) * scale;
    }
    return warp_sum(L);
}

// K outputs in the lanes (see warp.cuh), z with its bias: returns ∂L/∂z, 0 in lanes without an output. L is
// set to the example's loss where `wants_loss`, which is the same for the whole warp.
template <int K>
__device__ inline T lane_output_delta(int g, int loss, T z, T y, bool wants_loss, T& L) {
    constexpr int LANES = lanes_for(K);
    const bool in_range = threadIdx.x % LANES < K;
    if (loss == CROSS_ENTROPY) {
        T first = __shfl_sync(ALL_LANES, z, 0), top = in_range ? z : first;
#pragma unroll
        for (int offset = LANES / 2; offset > 0; offset /= 2)
            top = fmax(top, __shfl_xor_sync(ALL_LANES, top, offset));
        T e = in_range ? exp(z - top) : T(0), total = lanes_sum<LANES>(e);
        if (wants_loss) L = lanes_sum<LANES>(in_range ? cross_entropy_term(z, top, total, y) : T(0));
        return in_range ? softmax_backward(e, total, y) : T(0);
    }
    T a = activate(g, z);
    if (wants_loss) L = lanes_sum<LANES>(in_range ? loss_value(loss, z, a, y) : T(0));
    return in_range ? loss_backward(g, loss, a, y) : T(0);
}
