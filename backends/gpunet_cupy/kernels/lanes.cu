// Outputs in the lanes of a warp: lane i has output i mod LANES, where LANES is a power of 2 and at least their number.

__device__ constexpr int lanes_for(int outputs) {
    int lanes = 1;
    while (lanes < outputs) lanes *= 2;
    return lanes;
}

// Sums over all lanes of a warp: lane i gets that of v[i mod 2 half]. Each half of the lanes sends what the other keeps,
// until one number is left.
template <int half, int LANES = 2 * half>
__device__ inline T warp_sums(T* v) {
    if constexpr (half > 0) {
        const bool upper = threadIdx.x & half;
#pragma unroll
        for (int i = 0; i < half; ++i) {
            T mine = upper ? v[half + i] : v[i], other = upper ? v[i] : v[half + i];
            v[i] = mine + __shfl_xor_sync(ALL_LANES, other, half);
        }
        return warp_sums<half / 2, LANES>(v);
    } else {
        T sum = v[0];
#pragma unroll
        for (int offset = LANES > 1 ? LANES : 1; offset < WARP; offset *= 2)
            sum += __shfl_xor_sync(ALL_LANES, sum, offset);
        return sum;
    }
}

template <int LANES>
__device__ inline T lanes_sum(T x) {
#pragma unroll
    for (int offset = LANES / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(ALL_LANES, x, offset);
    return x;
}

// ∂L/∂z of each of K outputs, z with its bias; 0 in lanes without an output. L is the example's loss, where it is `asked`
// for by the whole warp. As `output_delta`.
template <int K>
__device__ inline T lane_delta(int g, int loss, T z, T y, bool asked, T& L) {
    constexpr int LANES = lanes_for(K);
    const bool real = threadIdx.x % LANES < K;
    if (loss == CROSS_ENTROPY) {
        T first = __shfl_sync(ALL_LANES, z, 0), top = real ? z : first;
#pragma unroll
        for (int offset = LANES / 2; offset > 0; offset /= 2)
            top = fmax(top, __shfl_xor_sync(ALL_LANES, top, offset));
        T e = real ? exp(z - top) : T(0), total = lanes_sum<LANES>(e);
        if (asked) L = lanes_sum<LANES>(real ? y * (log(total) - (z - top)) : T(0));
        return real ? e / total - y : T(0);
    }
    T a = activate(g, z);
    if (asked) L = lanes_sum<LANES>(real ? loss_of(loss, z, a, y) : T(0));
    return real ? loss_through(g, loss, a, y) : T(0);
}
