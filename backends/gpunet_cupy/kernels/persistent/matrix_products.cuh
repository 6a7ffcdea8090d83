// The products of tile_products.cuh on matrix units: each warp computes blocks of 16 × 8 elements. Rows of shared memory
// are an odd multiple of 8 values apart (tiling.cuh), so that the lanes of a warp read from different banks.
#pragma once
#include "common/matrix_units.cuh"
#include "persistent/tiling.cuh"

struct __align__(8) Vec2 {
    T v[2];
};

__device__ inline Vec2 load2(const T* p) { return *reinterpret_cast<const Vec2*>(p); }
__device__ inline void store2(T* p, T a, T b) { *reinterpret_cast<Vec2*>(p) = {a, b}; }

#define IN_FLIGHT 8  // products of a warp that do not wait for each other: enough to keep the matrix units busy

// How (CHUNK × WIDTH) elements are shared out: `EACH` blocks side by side are a job of a warp.
template <int WIDTH>
struct Jobs {
    static constexpr int ROWS = CHUNK / 16, BLOCKS = (WIDTH + 7) / 8;
    static constexpr int PER_WARP = ROWS * BLOCKS / (THREADS / WARP), EACH = PER_WARP >= 4 ? 4 : PER_WARP >= 2 ? 2 : 1;
    static constexpr int COUNT = ROWS * ((BLOCKS + EACH - 1) / EACH);
    static constexpr bool EVEN = BLOCKS % EACH == 0;  // else the last jobs have fewer

    __device__ static inline int first_row(int job) { return job % ROWS * 16; }
    __device__ static inline int first_column(int job) { return job / ROWS * EACH * 8; }
};

template <int l>
__device__ inline void matrix_product(const T* in, const T* W, T* Z, int m) {
    using Shared = Jobs<TILE_UNITS>;
    const int row = lane_row(), column = lane_column();
    for (int job = threadIdx.x / WARP; job < Shared::COUNT; job += THREADS / WARP) {
        const int e = Shared::first_row(job) + row, n = Shared::first_column(job);
        if (Shared::first_row(job) >= m) continue;
        float z[Shared::EACH][4] = {};
#pragma unroll (IN_FLIGHT / Shared::EACH)
        for (int k = 0; k < tile_inputs(l); k += 8) {  // a lane's terms are neighbours here
            Factor<4> x;
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const Vec2 pair = load2(in + (e + 8 * i) * pitch(l) + k + column);
                x.set(i, pair.v[0]);
                x.set(2 + i, pair.v[1]);
            }
#pragma unroll
            for (int j = 0; j < Shared::EACH; ++j) {
                const Vec2 pair = load2(W + (n + 8 * j + row) * pitch(l) + k + column);
                Factor<2> w;
                w.set(0, pair.v[0]);
                w.set(1, pair.v[1]);
                add_product(z[j], x, w);
            }
        }
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < Shared::EACH; ++j) {
                const int example = e + 8 * i, unit = n + 8 * j + column;
                if (example < m && tile_row(l) * TILE_UNITS + unit < row_stride(l))
                    store2(Z + example * row_stride(l) + unit, z[j][2 * i], z[j][2 * i + 1]);
            }
    }
}

template <int l>
__device__ inline void matrix_product_back(const T* delta, const T* W, T* dA, int m) {
    using Shared = Jobs<tile_inputs(l)>;
    const int row = lane_row(), term = lane_term(), column = lane_column();
    for (int job = threadIdx.x / WARP; job < Shared::COUNT; job += THREADS / WARP) {
        const int e = Shared::first_row(job) + row, k = Shared::first_column(job);
        if (Shared::first_row(job) >= m) continue;
        float sum[Shared::EACH][4] = {};
#pragma unroll
        for (int n = 0; n < TILE_UNITS; n += 8) {
            Factor<4> d;
#pragma unroll
            for (int i = 0; i < 4; ++i) d.set(i, delta[(e + i % 2 * 8) * DELTA_PITCH + n + term + i / 2 * 4]);
#pragma unroll
            for (int j = 0; j < Shared::EACH; ++j) {
                const int at = Shared::EVEN ? k + 8 * j : min(k + 8 * j, tile_inputs(l) - 8);
                Factor<2> w;
#pragma unroll
                for (int i = 0; i < 2; ++i) w.set(i, W[(n + term + 4 * i) * pitch(l) + at + row]);
                add_product(sum[j], d, w);
            }
        }
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < Shared::EACH; ++j) {
                const int example = e + 8 * i, input = k + 8 * j + column;
                if (example < m && input < tile_inputs(l) && tile_column(l) * tile_inputs(l) + input < row_stride(l - 1))
                    store2(dA + example * row_stride(l - 1) + input, sum[j][2 * i], sum[j][2 * i + 1]);
            }
    }
}

// dW in the lanes of the warps: half of the warps have the first 16 units of the tile, half the others.
template <int l>
struct MatrixGradient {
    static constexpr int BLOCKS = tile_inputs(l) / 8, GROUPS = THREADS / WARP / 2, EACH = (BLOCKS + GROUPS - 1) / GROUPS;
    float g[EACH][4];

    __device__ inline int unit() const { return threadIdx.x / WARP % 2 * 16 + lane_row(); }
    __device__ inline int block(int i) const { return threadIdx.x / (2 * WARP) + i * GROUPS; }
    __device__ inline bool has(int i) const { return (i + 1) * GROUPS <= BLOCKS || block(i) < BLOCKS; }
    // A warp without an i-th block computes its first one again: a branch would keep products from overlapping.
    __device__ inline int column(int i) const { return 8 * (has(i) ? block(i) : block(0)); }

    __device__ inline void clear() {
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) g[i][j] = 0.0f;
    }

    __device__ inline void accumulate(const T* in, const T* delta, int m) {
        const int row = lane_row(), term = lane_term();
#pragma unroll (IN_FLIGHT / EACH < 2 ? 2 : IN_FLIGHT / EACH)
        for (int e = 0; e < m; e += 8) {
            Factor<4> d;
#pragma unroll
            for (int i = 0; i < 4; ++i) d.set(i, delta[(e + term + i / 2 * 4) * DELTA_PITCH + unit() + i % 2 * 8]);
#pragma unroll
            for (int i = 0; i < EACH; ++i) {
                Factor<2> x;
#pragma unroll
                for (int j = 0; j < 2; ++j) x.set(j, in[(e + term + 4 * j) * pitch(l) + column(i) + row]);
                add_product(g[i], d, x);
            }
        }
    }

    __device__ inline void store_partials(T*) const {}  // there are none

    template <class Use>
    __device__ inline void for_each(const T*, const Use& use) const {
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            if (!has(i)) break;
#pragma unroll
            for (int j = 0; j < 4; ++j) use(unit() + j / 2 * 8, 8 * block(i) + lane_column() + j % 2, g[i][j]);
        }
    }
};
