// Sums and maxima over the lanes of a warp. Their order never changes, so a run repeats bit for bit.
#pragma once

#define WARP 32
#define ALL_LANES 0xffffffffu

// Over all lanes; every lane gets the result.
template <class V>
__device__ inline V warp_sum(V x) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(ALL_LANES, x, offset);
    return x;
}

__device__ inline T warp_max(T x) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) x = fmax(x, __shfl_xor_sync(ALL_LANES, x, offset));
    return x;
}

// Network outputs in the lanes of a warp: lane i has output i mod LANES, where LANES is the smallest power of
// 2 that is at least the number of outputs.
__device__ constexpr int lanes_for(int outputs) {
    int lanes = 1;
    while (lanes < outputs) lanes *= 2;
    return lanes;
}

// Over each LANES consecutive lanes.
template <int LANES>
__device__ inline T lanes_sum(T x) {
#pragma unroll
    for (int offset = LANES / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(ALL_LANES, x, offset);
    return x;
}

// One round of a reduce-scatter of 2 half values per lane: a lane keeps one half of its values, the upper one
// if `bit` is set in its number, and adds those that the lane without that difference sends.
template <int half, int bit>
__device__ inline void exchange_halves(T* v) {
    const bool upper = threadIdx.x & bit;
#pragma unroll
    for (int i = 0; i < half; ++i) {
        T mine = upper ? v[half + i] : v[i], other = upper ? v[i] : v[half + i];
        v[i] = mine + __shfl_xor_sync(ALL_LANES, other, bit);
    }
}

// Reduce-scatter of 2 half values per lane: lane i gets the sum over all lanes of v[i mod 2 half]; v is
// overwritten.
template <int half, int LANES = 2 * half>
__device__ inline T warp_reduce_scatter(T* v) {
    if constexpr (half > 0) {
        exchange_halves<half, half>(v);
        return warp_reduce_scatter<half / 2, LANES>(v);
    } else {
        T sum = v[0];
#pragma unroll
        for (int offset = LANES > 1 ? LANES : 1; offset < WARP; offset *= 2)
            sum += __shfl_xor_sync(ALL_LANES, sum, offset);
        return sum;
    }
}
