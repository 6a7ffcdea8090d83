// Blocked SGD, the first layer, whose tiles (tiling.cuh) stay in the shared memory of the first TILES thread
// blocks. For each block of CHUNK examples they compute P = X Wᵀ; then other thread blocks run the steps one
// after the other, which gives E = −α δ[1] of each example, while those with a tile prefetch the next examples
// and compute their G = X Xᵀ; then W ← W + Eᵀ X. Grid barriers separate these phases.
//
// Macros: those of block_state.cuh.
#pragma once
#include "common/grid_barrier.cuh"
#include "common/recurrence.cuh"
#include "persistent/prefetch.cuh"
#include "persistent/tile_products.cuh"

__device__ constexpr int larger(int a, int b) { return a > b ? a : b; }

// Shared memory after the tile and its inputs: δ of the tile's units, and scratch memory.
__device__ constexpr int deltas_at() { return tile_at(2); }
__device__ constexpr int scratch_at() { return deltas_at() + CHUNK * DELTA_PITCH; }
__device__ constexpr int tile_values() { return scratch_at() + 32 * THREADS; }

// The coefficients of common/recurrence.cuh: of W₀ and V₀ before each step, and all of them after the block.
struct Coefficients {
    T w[CHUNK], q[CHUNK];
    T u_end[CHUNK], r_end[CHUNK];
    T w_end, q_end, p_end, spare;
};

// The workspace: partial sums of P, and Q, then w P + q Q, δ[1], and for this block and the next one u G and the
// coefficients.
#define PARTIALS_STRIDE (tile_columns(1) * CHUNK * row_stride(1))
__device__ constexpr int P_at() { return (1 + SLOTS) * PARTIALS_STRIDE; }
__device__ constexpr int D_at() { return P_at() + CHUNK * row_stride(1); }
__device__ constexpr int u_G_at(int block) { return D_at() + CHUNK * row_stride(1) + block % 2 * CHUNK * CHUNK; }
__device__ constexpr int coefficients_at(int block) {
    return u_G_at(1) + CHUNK * CHUNK + block % 2 * int(sizeof(Coefficients) / sizeof(T));
}
__device__ constexpr int block_workspace() { return coefficients_at(1) + int(sizeof(Coefficients) / sizeof(T)); }

__device__ inline Coefficients& coefficients_of(const Epoch& epoch, int block) {
    return *reinterpret_cast<Coefficients*>(epoch.workspace + coefficients_at(block));
}

// The coefficients of the `count` steps from `begin` on; row j of u: u_i before step j, for i < j. Thread i computes
// those of example i, and w and q before its step.
__device__ inline void compute_coefficients(const Epoch& epoch, int begin, int count, T (*u)[CHUNK], Coefficients& c) {
    static_assert(CHUNK <= THREADS, "too few threads");
    const int i = threadIdx.x;
    if (i >= count) return;
    double u_i = 0.0, r_i = 0.0, w = 1.0, q = 0.0, p = 1.0, w_i = w, q_i = q;
    for (int j = 0; j < count; ++j) {
        const RecurrenceStep step(epoch.c[begin + j]);
        if (j == i) w_i = w, q_i = q, step.set(u_i, r_i);
        if (j > i) u[j][i] = T(u_i), step.change(u_i, r_i);
        step.change_start(w, q, p);
    }
    if (blockIdx.x > 0) return;
    c.w[i] = T(w_i), c.q[i] = T(q_i), c.u_end[i] = T(u_i), c.r_end[i] = T(r_i);
    if (i == 0) c.w_end = T(w), c.q_end = T(q), c.p_end = T(p);
}

// u_i G_ij below the diagonal, for `count` examples from position `begin` on: one warp per value, in all thread
// blocks that have a tile; and the block's coefficients.
__device__ inline void correction_matrix(const Epoch& epoch, int begin, int count, int block) {
    static_assert(CHUNK * CHUNK <= 32 * THREADS, "u does not fit into the scratch memory");
    T(*u)[CHUNK] = reinterpret_cast<T(*)[CHUNK]>(shared() + scratch_at());
    T* u_G = epoch.workspace + u_G_at(block);
    compute_coefficients(epoch, begin, count, u, coefficients_of(epoch, block));
    __syncthreads();
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
        if (lane == 0) u_G[job] = u[j][i] * sum;
    }
}

// w P + q Q from the partial sums of P and Q: all thread blocks together, four values per thread.
__device__ inline void sum_partials(const Epoch& epoch, int count, int block) {
    const Coefficients& c = coefficients_of(epoch, block);
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < count * row_stride(1) / 4; i += gridDim.x * THREADS) {
        Vec4 sum[1 + SLOTS] = {};
#pragma unroll
        for (int slot = 0; slot <= SLOTS; ++slot)
#pragma unroll
            for (int p = 0; p < tile_columns(1); ++p)
                add4(sum[slot], load4(epoch.workspace + slot * PARTIALS_STRIDE + p * CHUNK * row_stride(1) + 4 * i));
        if (COMBINES) {
            const int e = 4 * i / row_stride(1);
            for (int h = 0; h < 4; ++h) sum[0].v[h] *= c.w[e];
            if (SLOTS) for (int h = 0; h < 4; ++h) sum[0].v[h] += c.q[e] * sum[SLOTS].v[h];
        }
        store4(epoch.workspace + P_at() + 4 * i, sum[0]);
    }
}

// Σ_i c_i δ_i x_iᵀ for the tile, whose inputs are still in shared memory: `update` gets each element of the sum, and
// its place in the tile.
template <class Update>
__device__ inline void sum_gradients(const T* workspace, int count, const T* c, const Update& update) {
    T* delta = shared() + deltas_at();
    for (int job = threadIdx.x; job < rows_read(count) * (TILE_UNITS / 4); job += THREADS) {
        int e = job / (TILE_UNITS / 4), n = job % (TILE_UNITS / 4) * 4, unit = tile_row(1) * TILE_UNITS + n;
        Vec4 d = {};
        if (e < count && unit < row_stride(1)) {
            d = load4(workspace + D_at() + e * row_stride(1) + unit);
            for (int h = 0; h < 4; ++h) d.v[h] *= c[e];
        }
        store4(delta + e * DELTA_PITCH + n, d);
    }
    __syncthreads();
    Gradient<1> dW;
    dW.clear();
    dW.accumulate(shared() + inputs_at(1), delta, count);
    __syncthreads();
    dW.store_partials(shared() + scratch_at());
    __syncthreads();
    dW.for_each(shared() + scratch_at(), [&](int unit, int input, T g) { update(unit * pitch(1) + input, g); });
}

// The update of the tile's W and V by all steps of the block.
__device__ inline void apply_block(const T* workspace, int count, const Coefficients& c) {
    T *W = shared() + tile_at(1), *V = W + TILE_UNITS * pitch(1);
    sum_gradients(workspace, count, c.u_end, [&](int at, T g) {
        if (COMBINES) W[at] *= c.w_end;
        if (SLOTS) W[at] += c.q_end * V[at];
        W[at] += g;
    });
    if (SLOTS) sum_gradients(workspace, count, c.r_end, [&](int at, T g) { V[at] = c.p_end * V[at] + g; });
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
    correction_matrix(epoch, 0, min(CHUNK, epoch.examples), 0);
    grid_barrier(counter, passed);
    for (int begin = 0, block = 0; begin < epoch.examples; begin += CHUNK, ++block) {
        const int count = min(CHUNK, epoch.examples - begin), next_count = min(CHUNK, epoch.examples - begin - CHUNK);
        next.load_indices(epoch, begin + CHUNK, next_count);
        __syncthreads();
        next.store_shared(in);
        __syncthreads();
        product<1>(in, W, P, count);
        if (SLOTS) product<1>(in, W + TILE_UNITS * pitch(1), P + PARTIALS_STRIDE, count);
        grid_barrier(counter, passed);
        sum_partials(epoch, count, block);
        grid_barrier(counter, passed);
        next.prefetch(epoch);
        correction_matrix(epoch, begin + CHUNK, next_count, block + 1);
        grid_barrier(counter, passed);
        apply_block(epoch.workspace, count, coefficients_of(epoch, block));
    }
    __syncthreads();
    store_weights(epoch);
}
