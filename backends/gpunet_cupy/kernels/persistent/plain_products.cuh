// The products of tile_products.cuh without matrix units.
#pragma once
#include "common/vec4.cuh"
#include "persistent/tiling.cuh"

// Z ← inputs · Wᵀ for m examples: rows of Z are `row_stride(l)` apart, and begin with the tile's first unit.
// Each thread computes 4 units, 8 apart, of every 32nd example (with 256 threads).
template <int l>
__device__ inline void plain_product(const T* in, const T* W, T* Z, int m) {
    constexpr int UNIT_STRIDE = TILE_UNITS / 4, EXAMPLE_STRIDE = THREADS / UNIT_STRIDE, EACH = CHUNK / EXAMPLE_STRIDE;
    const int n = threadIdx.x % UNIT_STRIDE, e = threadIdx.x / UNIT_STRIDE;
    T z[EACH][4] = {};
#pragma unroll 1
    for (int k = 0; k < tile_inputs(l); k += 4) {
        Vec4 w[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) w[j] = load4(W + (n + UNIT_STRIDE * j) * pitch(l) + k);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            Vec4 x = load4(in + (e + EXAMPLE_STRIDE * i) * pitch(l) + k);
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int h = 0; h < 4; ++h) z[i][j] += w[j].v[h] * x.v[h];
        }
    }
#pragma unroll
    for (int i = 0; i < EACH; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int unit = n + UNIT_STRIDE * j, example = e + EXAMPLE_STRIDE * i;
            if (example < m && tile_row(l) * TILE_UNITS + unit < row_stride(l))
                Z[example * row_stride(l) + unit] = z[i][j];
        }
}

// dA ← δ · W for m examples: rows of dA are `row_stride(l − 1)` apart, and begin with the tile's first input.
// Each job is 4 inputs of 4 examples, a quarter of a chunk apart.
template <int l>
__device__ inline void plain_product_back(const T* delta, const T* W, T* dA, int m) {
    constexpr int QUADS = tile_inputs(l) / 4, EXAMPLE_STRIDE = CHUNK / 4;
    for (int job = threadIdx.x; job < min(m, EXAMPLE_STRIDE) * QUADS; job += THREADS) {
        int e = job / QUADS, k = job % QUADS * 4;
        Vec4 sum[4] = {};
#pragma unroll 1
        for (int n = 0; n < TILE_UNITS; n += 4) {
            Vec4 d[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) d[i] = load4(delta + (e + EXAMPLE_STRIDE * i) * DELTA_PITCH + n);
#pragma unroll
            for (int h = 0; h < 4; ++h) {
                Vec4 w = load4(W + (n + h) * pitch(l) + k);
#pragma unroll
                for (int i = 0; i < 4; ++i)
#pragma unroll
                    for (int j = 0; j < 4; ++j) sum[i].v[j] += d[i].v[h] * w.v[j];
            }
        }
        if (tile_column(l) * tile_inputs(l) + k < row_stride(l - 1))
#pragma unroll
            for (int i = 0; i < 4; ++i)
                if (e + EXAMPLE_STRIDE * i < m) store4(dA + (e + EXAMPLE_STRIDE * i) * row_stride(l - 1) + k, sum[i]);
    }
}

// dW = Σ δ inputsᵀ of a tile, in the threads' registers: each thread of a group sums 4 inputs of `EACH`
// units, and each group takes every GROUPS-th example.
template <int l>
struct PlainGradient {
    static constexpr int QUADS = tile_inputs(l) / 4;
    static constexpr int EACH = QUADS <= 64 ? 8 : 16;
    static constexpr int GROUP = QUADS * (TILE_UNITS / EACH), GROUPS = THREADS / GROUP;
    Vec4 g[EACH];

    __device__ inline int input() const { return threadIdx.x % QUADS * 4; }
    __device__ inline int unit() const { return threadIdx.x % GROUP / QUADS * EACH; }
    __device__ inline int group() const { return threadIdx.x / GROUP; }

    __device__ inline void clear() {
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) g[i].v[j] = T(0);
    }

    __device__ inline void accumulate(const T* in, const T* delta, int m) {
        if (group() >= GROUPS) return;
#pragma unroll 4
        for (int e = group(); e < m; e += GROUPS) {
            Vec4 x = load4(in + e * pitch(l) + input());
#pragma unroll
            for (int i = 0; i < EACH; i += 4) {
                Vec4 d = load4(delta + e * DELTA_PITCH + unit() + i);
#pragma unroll
                for (int h = 0; h < 4; ++h)
#pragma unroll
                    for (int j = 0; j < 4; ++j) g[i + h].v[j] += d.v[h] * x.v[j];
            }
        }
    }

    // Write the groups' partial sums to shared memory. After a barrier, `for_each` adds them up.
    __device__ inline void store_partials(T* partials) const {
        if (group() >= GROUPS) return;
        T* own = partials + (group() * TILE_UNITS + unit()) * tile_inputs(l) + input();
#pragma unroll
        for (int i = 0; i < EACH; ++i) store4(own + i * tile_inputs(l), g[i]);
    }

    // Call use(unit, input, value of dW) for every element of the tile.
    template <class Use>
    __device__ inline void for_each(const T* partials, const Use& use) const {
        for (int quad = threadIdx.x; quad < TILE_UNITS * QUADS; quad += THREADS) {
            Vec4 sum = load4(partials + 4 * quad);
#pragma unroll
            for (int other = 1; other < GROUPS; ++other)
                add4(sum, load4(partials + other * TILE_UNITS * tile_inputs(l) + 4 * quad));
#pragma unroll
            for (int j = 0; j < 4; ++j) use(quad / QUADS, quad % QUADS * 4 + j, sum.v[j]);
        }
    }
};
