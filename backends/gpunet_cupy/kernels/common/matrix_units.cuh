// float32 products on matrix units, which multiply TF32 values (10 bits after the binary point) and add in float32.
//
// A float32 value is the sum of two TF32 values, to one bit: itself, rounded to TF32, and the rest. Three products of
// such parts replace one float32 product; the fourth, of the rests, is below float32's rounding (Ootomo and Yokota
// 2022). Matrix units round towards zero in each addition. So every eight terms are added from 0 on, the smallest
// products first, and their sum is added to the others' in float32.
//
// A warp multiplies a (16 × 8) by b (8 × 8); each lane has some elements of a, b and the sum (16 × 8), where row() and
// column() say. Which eight terms of a long sum are the first ones makes no difference, as long as a and b agree.
#pragma once
#include "common/warp.cuh"

// Whether there are any for T: from compute capability 8.0 on. The tests' emulator has them.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define MATRIX_UNITS false
#else
#define MATRIX_UNITS (sizeof(T) == 4)
#endif

#ifdef __CUDACC__  // the emulator has its own
// sum ← sum + a b. The last 13 bits of factors are ignored.
__device__ inline void multiply_tf32(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
#endif

// A lane's place. Of a it has rows row() and row() + 8 of terms term() and term() + 4: a[0], a[1] of the first, a[2],
// a[3] of the other. Of b it has column row(), of the same terms: b[0], b[1]. Of the sum it has columns column() and
// column() + 1: sum[0], sum[1] of row row(), sum[2], sum[3] of row row() + 8.
__device__ inline int lane_row() { return threadIdx.x % WARP / 4; }
__device__ inline int lane_term() { return threadIdx.x % 4; }
__device__ inline int lane_column() { return threadIdx.x % 4 * 2; }

// A lane's N values of a factor.
template <int N>
struct Factor {
    unsigned value[N], rest[N];

    // NaN and infinity leave NaN as the rest, so the product is NaN.
    __device__ inline void set(int i, float x) {
        value[i] = (__float_as_uint(x) + 0x1000u) & 0xffffe000u;  // half of the last bit that stays
        rest[i] = __float_as_uint(x - __uint_as_float(value[i]));
    }
};

// sum ← sum + a b.
__device__ inline void add_product(float (&sum)[4], const Factor<4>& a, const Factor<2>& b) {
    float terms[4] = {};
    multiply_tf32(terms, a.rest, b.value);
    multiply_tf32(terms, a.value, b.rest);
    multiply_tf32(terms, a.value, b.value);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] += terms[i];
}
