// The last layer and the activation below it, for one example per group of threads: outputs, loss, δ[L] and
// δ[L − 1].
//
// A group is a warp or a whole thread block. Its thread t owns units t, t + group, … below, and keeps their
// columns of the last layer's weights in registers. Each warp sums its units' terms of the outputs; the warps
// of a thread block exchange these partial sums once; then every warp computes δ[L] for itself, output k in
// lane k.
//
// Template parameters: n units below with activation g, K outputs with activation `top`. Macros: LOSS,
// THREADS.
#pragma once
#include "common/output_delta.cuh"

template <int n, int K, int g, int top, int group>
struct OutputLayer {
    static constexpr int EACH = (n + group - 1) / group, LANES = lanes_for(K), WARPS_PER_GROUP = group / WARP;
    static constexpr int EXCHANGE = 2 * WARPS_PER_GROUP * LANES;  // values of shared memory, for several warps
    static_assert(group == WARP || group == THREADS, "a group is a warp or a thread block");
    T W[EACH][K], b[EACH], b_out;
    int turn;

    __device__ inline int member() const { return threadIdx.x % group; }
    __device__ inline int unit(int i) const { return member() + i * group; }
    __device__ inline int output() const { return threadIdx.x % LANES; }
    __device__ inline bool in_range(int i) const { return n % group == 0 || unit(i) < n; }

    // W[L] (K, n), b[L − 1] and b[L].
    __device__ inline void load_weights(const T* weights, const T* bias_below, const T* bias) {
        turn = 0;
        b_out = output() < K ? bias[output()] : T(0);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            b[i] = in_range(i) ? bias_below[unit(i)] : T(0);
#pragma unroll
            for (int k = 0; k < K; ++k) W[i][k] = in_range(i) ? weights[k * n + unit(i)] : T(0);
        }
    }

    // Forward and backward of one example, with y of the lane's output. z of the thread's units: W x without
    // biases on entry, δ[L − 1] on return; a: their activations, times the dropout factors `keep` where DROPS.
    // Returns scale ∂L/∂z of the lane's output; L is set in the group's first warp.
    template <bool DROPS = false>
    __device__ inline T forward_backward(T (&z)[EACH], T (&a)[EACH], const T (&keep)[EACH], T y, T scale, T* shared,
                                         T& L) {
        T out[LANES], whole[EACH];  // the activations before dropout
#pragma unroll
        for (int k = 0; k < LANES; ++k) out[k] = T(0);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            a[i] = in_range(i) ? activate(g, z[i] + b[i]) : T(0);
            if (DROPS) whole[i] = a[i], a[i] *= keep[i];
#pragma unroll
            for (int k = 0; k < K; ++k) out[k] += W[i][k] * a[i];
        }
        T logit = warp_reduce_scatter<LANES / 2>(out);
        if constexpr (group > WARP) {
            T* partial = shared + turn % 2 * (EXCHANGE / 2);  // two buffers: one barrier per example is enough
            ++turn;
            if (threadIdx.x % WARP < LANES) partial[threadIdx.x / WARP * LANES + threadIdx.x % WARP] = logit;
            __syncthreads();
            logit = T(0);
#pragma unroll
            for (int w = 0; w < WARPS_PER_GROUP; ++w) logit += partial[w * LANES + output()];
        }
        T delta = scale * lane_output_delta<K>(top, LOSS, logit + b_out, y, member() < WARP, L);
#pragma unroll
        for (int i = 0; i < EACH; ++i) z[i] = T(0);
#pragma unroll
        for (int k = 0; k < K; ++k) {
            T delta_k = __shfl_sync(ALL_LANES, delta, k);
#pragma unroll
            for (int i = 0; i < EACH; ++i) z[i] += W[i][k] * delta_k;
        }
#pragma unroll
        for (int i = 0; i < EACH; ++i)
            z[i] = DROPS ? activation_backward(g, z[i] * keep[i], whole[i]) : activation_backward(g, z[i], a[i]);
        return delta;
    }
};
