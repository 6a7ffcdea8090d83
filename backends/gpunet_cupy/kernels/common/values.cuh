// N neighbouring values, loaded and stored together. Their address is a multiple of their size, or of 16 bytes.
#pragma once

template <int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Values {
    T v[N];
};

template <int N>
__device__ inline Values<N> load_values(const T* p) {
    return *reinterpret_cast<const Values<N>*>(p);
}

template <int N>
__device__ inline void store_values(T* p, const T (&x)[N]) {
    Values<N> all;
#pragma unroll
    for (int j = 0; j < N; ++j) all.v[j] = x[j];
    *reinterpret_cast<Values<N>*>(p) = all;
}
