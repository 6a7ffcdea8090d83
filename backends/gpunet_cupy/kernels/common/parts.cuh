// float32 values as sums of bfloat16 values, for products on matrix units.
//
// x = x1 + x2 + x3, each part the nearest bfloat16 of what the parts before it leave: three times 8 bits hold
// float32's 24. A product of two such sums has nine terms; the three smallest are below float32's own rounding.
// PAIRS terms remain, in ascending order of size: matrix units round towards zero in each addition, so the sum
// must be small for as long as possible. A matrix (m, n) is stored as (m, PAIRS, PITCH): for each term, the part
// that it needs. A left factor is multiplied by a right one. With PAIRS 1, the term of the largest parts, values are
// rounded to bfloat16.
//
// Macros: PAIRS (0: values are stored as they are), LEFT and RIGHT (which part each term takes: 0, 1 or 2).
#pragma once
#include "common/values.cuh"

#if PAIRS
using Stored = unsigned short;  // bfloat16
#else
using Stored = T;
#endif

#if PAIRS
__device__ constexpr int part_of(bool left, int pair) {
    constexpr int l[] = LEFT, r[] = RIGHT;
    return left ? l[pair] : r[pair];
}

// The nearest bfloat16, ties to even. NaN stays NaN.
__device__ inline unsigned short to_bfloat16(float x) {
    const unsigned bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (unsigned short)(bits >> 16 | 0x40u);
    return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

__device__ inline float from_bfloat16(unsigned short x) { return __uint_as_float((unsigned)x << 16); }

// N neighbouring parts, stored together.
template <int N>
struct alignas(2 * N) Stored16 {
    unsigned short v[N];
};
#endif

// Values from one copy of a row of n values to the next, and from one row to the next: copies start at multiples
// of 16 bytes. What lies between is 0.
__device__ constexpr int stored_pitch(int n) { return PAIRS ? (n + 7) / 8 * 8 : n; }
__device__ constexpr int stored_row(int pitch) { return (PAIRS ? PAIRS : 1) * pitch; }

// Store N neighbouring values of one row; copies for the pairs are `apart` values from each other.
template <bool LEFT_FACTOR, int N>
__device__ inline void store_parts(Stored* out, long long apart, const T (&x)[N]) {
#if PAIRS
    Stored16<N> part[3];
#pragma unroll
    for (int j = 0; j < N; ++j) {
        float rest = x[j];
#pragma unroll
        for (int i = 0; i < 3; ++i) {
            part[i].v[j] = to_bfloat16(rest);
            rest -= from_bfloat16(part[i].v[j]);
        }
    }
#pragma unroll
    for (int pair = 0; pair < PAIRS; ++pair)
        *reinterpret_cast<Stored16<N>*>(out + pair * apart) = part[part_of(LEFT_FACTOR, pair)];
#else
    store_values(out, x);
#endif
}
