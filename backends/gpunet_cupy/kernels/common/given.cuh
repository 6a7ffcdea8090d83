// X as it is given: values of T, or small integers, which become values of T where they are read, and are standardised
// there (C15): (x − mean) / deviation of their input, each operation rounded, which are the values that the host's
// library computes from the cast integers.
//
// Macros, for integers alone: GIVEN, their type; STANDARDIZED, whether there are means and deviations.
#pragma once
#include "common/values.cuh"

#ifndef GIVEN
#define GIVEN T
#define STANDARDIZED 0
#endif
using Given = GIVEN;

// N neighbouring values of an example. Their address is a multiple of their size, or of 16 bytes.
template <int N>
struct alignas(N * sizeof(Given) < 16 ? N * sizeof(Given) : 16) GivenValues {
    Given v[N];
};

template <int N>
__device__ inline GivenValues<N> load_given(const Given* p) {
    return *reinterpret_cast<const GivenValues<N>*>(p);
}

// The values of inputs k, k + 1, …
template <int N>
__device__ inline Values<N> values_of(const GivenValues<N>& x, const T* mean, const T* deviation, int k) {
    Values<N> values, m = {}, d = {};
    if (STANDARDIZED) m = load_values<N>(mean + k), d = load_values<N>(deviation + k);
#pragma unroll
    for (int j = 0; j < N; ++j) values.v[j] = STANDARDIZED ? (T(x.v[j]) - m.v[j]) / d.v[j] : T(x.v[j]);
    return values;
}

__device__ inline T value_of(Given x, const T* mean, const T* deviation, int k) {
    return values_of(GivenValues<1>{x}, mean, deviation, k).v[0];
}
