// Matrix products with a tile: Z = A Wᵀ, dA = δ W, dW = δᵀ A, for a chunk of examples.
#pragma once
#include "persistent/matrix_products.cuh"
#include "persistent/plain_products.cuh"

// Rows of A and δ that products read for m examples. Where there are more than m, those of δ are 0, and those of A are
// numbers.
__device__ constexpr int rows_read(int m) { return MATRIX_UNITS ? (m + 7) / 8 * 8 : m; }

// Z ← inputs · Wᵀ for m examples: rows of Z are `row_stride(l)` apart, and begin with the tile's first unit.
template <int l>
__device__ inline void product(const T* in, const T* W, T* Z, int m) {
    if constexpr (MATRIX_UNITS) matrix_product<l>(in, W, Z, m);
    else plain_product<l>(in, W, Z, m);
}

// dA ← δ · W for m examples: rows of dA are `row_stride(l − 1)` apart, and begin with the tile's first input.
template <int l>
__device__ inline void product_back(const T* delta, const T* W, T* dA, int m) {
    if constexpr (MATRIX_UNITS) matrix_product_back<l>(delta, W, dA, m);
    else plain_product_back<l>(delta, W, dA, m);
}

// dW = Σ δ inputsᵀ of a tile, in the threads' registers.
template <int l, bool MATRIX = MATRIX_UNITS>
struct Gradient : MatrixGradient<l> {};

template <int l>
struct Gradient<l, false> : PlainGradient<l> {};
