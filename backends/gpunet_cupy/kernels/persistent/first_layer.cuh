// Blocked SGD, the first layer, whose tiles (tiling.cuh) stay in the shared memory of the first TILES thread
// blocks. For each block of CHUNK examples they compute P = X Wᵀ; then other thread blocks run the steps one
// after the other, which gives E = −α δ[1] of each example, while those with a tile prefetch the next examples
// and compute their G = X Xᵀ; then W ← W + Eᵀ X. Grid barriers separate these phases.
//
// Macros: those of block_state.cuh.
#pragma once
#include "common/grid_barrier.cuh"
#include "persistent/prefetch.cuh"
#include "persistent/tile_products.cuh"

__device__ constexpr int larger(int a, int b) { return a > b ? a : b; }

// Shared memory after the tile and its inputs: E of the tile's units, and scratch memory.
__device__ constexpr int deltas_at() { return tile_at(2); }
__device__ constexpr int scratch_at() { return deltas_at() + CHUNK * DELTA_PITCH; }
__device__ constexpr int tile_values() { return scratch_at() + 32 * THREADS; }

// The workspace: partial sums of P, P, E, and G of this block and of the next one.
__device__ constexpr int P_at() { return tile_columns(1) * CHUNK * row_stride(1); }
__device__ constexpr int E_at() { return P_at() + CHUNK * row_stride(1); }
__device__ constexpr int G_at(int block) { return E_at() + CHUNK * row_stride(1) + block % 2 * CHUNK * CHUNK; }
__device__ constexpr int block_workspace() { return G_at(1) + CHUNK * CHUNK; }

// G below its diagonal, for `count` examples from position `begin` on: one warp per value, in all thread
// blocks that have a tile.
__device__ inline void gram_matrix(const Epoch& epoch, int begin, int count, T* G) {
    const int lane = threadIdx.x % WARP;
    for (int job = blockIdx.x * WARPS + threadIdx.x / WARP; job < count * CHUNK; job += TILES * WARPS) {
        const int j = job / CHUNK, i = job % CHUNK;
        if (i >= j) continue;
        const T* a = epoch.X + (long long)example_index(epoch, begin + i) * size(0);
        const T* b = epoch.X + (long long)example_index(epoch, begin + j) * size(0);
        T sum = T(0);
#pragma unroll 4
        for (int k = lane; k < size(0); k += WARP) sum += a[k] * b[k];
        sum = warp_sum(sum);
        if (lane == 0) G[job] = sum;
    }
}

// P from its partial sums: all thread blocks together, four values per thread.
__device__ inline void sum_partials(T* workspace, int count) {
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < count * row_stride(1) / 4; i += gridDim.x * THREADS) {
        Vec4 sum = {};
#pragma unroll
        for (int p = 0; p < tile_columns(1); ++p) add4(sum, load4(workspace + p * CHUNK * row_stride(1) + 4 * i));
        store4(workspace + P_at() + 4 * i, sum);
    }
}

// W ← W + Eᵀ X for the tile, whose inputs are still in shared memory.
__device__ inline void apply_block(const T* workspace, int count) {
    T *delta = shared() + deltas_at(), *W = shared() + tile_at(1);
    for (int job = threadIdx.x; job < rows_read(count) * (TILE_UNITS / 4); job += THREADS) {
        int e = job / (TILE_UNITS / 4), n = job % (TILE_UNITS / 4) * 4, unit = tile_row(1) * TILE_UNITS + n;
        Vec4 d = {};
        if (e < count && unit < row_stride(1)) d = load4(workspace + E_at() + e * row_stride(1) + unit);
        store4(delta + e * DELTA_PITCH + n, d);
    }
    __syncthreads();
    Gradient<1> dW;
    dW.clear();
    dW.accumulate(shared() + inputs_at(1), delta, count);
    __syncthreads();
    dW.store_partials(shared() + scratch_at());
    __syncthreads();
    dW.for_each(shared() + scratch_at(), [&](int unit, int input, T g) { W[unit * pitch(1) + input] += g; });
}

// A thread block with a tile, from the first block to the last.
__device__ inline void train_tile(const Epoch& epoch, unsigned* counter) {
    unsigned passed = 0;
    PrefetchedChunk next;
    T *in = shared() + inputs_at(1), *W = shared() + tile_at(1);
    T* P = epoch.workspace + tile_column(1) * CHUNK * row_stride(1) + tile_row(1) * TILE_UNITS;
    next.load_indices(epoch, 0, min(CHUNK, epoch.examples));
    next.prefetch(epoch);
    load_weights(epoch);
    gram_matrix(epoch, 0, min(CHUNK, epoch.examples), epoch.workspace + G_at(0));
    for (int begin = 0, block = 0; begin < epoch.examples; begin += CHUNK, ++block) {
        const int count = min(CHUNK, epoch.examples - begin), next_count = min(CHUNK, epoch.examples - begin - CHUNK);
        next.load_indices(epoch, begin + CHUNK, next_count);
        __syncthreads();
        next.store_shared(in);
        __syncthreads();
        product<1>(in, W, P, count);
        grid_barrier(counter, passed);
        sum_partials(epoch.workspace, count);
        grid_barrier(counter, passed);
        next.prefetch(epoch);
        gram_matrix(epoch, begin + CHUNK, next_count, epoch.workspace + G_at(block + 1));
        grid_barrier(counter, passed);
        apply_block(epoch.workspace, count);
    }
    __syncthreads();
    store_weights(epoch);
}
