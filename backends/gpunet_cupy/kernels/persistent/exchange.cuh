// What the thread blocks of minibatch.cu exchange through global memory: partial sums of Z[l] and dA[l],
// activations, δ.
//
// Macros besides those of block_state.cuh: SHARED_BYTES and WORKSPACE, the sizes of shared memory (in bytes)
// and of the workspace (in values) that the host allocates.
#pragma once
#include "common/activations.cuh"
#include "common/vec4.cuh"
#include "persistent/block_state.cuh"
#include "persistent/tile_products.cuh"

// Shared memory after the tiles: δ of a chunk, and scratch memory of one phase.
__device__ constexpr int deltas_at() { return tile_at(LAYERS); }
__device__ constexpr int scratch_at() { return deltas_at() + CHUNK * DELTA_PITCH; }
static_assert(sizeof(T) * (scratch_at() + 32 * THREADS) == SHARED_BYTES,
              "the host allocates another size of shared memory");

// The workspace: partial sums of Z[l], A[l], partial sums of dA[l], δ[L − 1], δ[L], losses of the batch's
// examples, and if PENALIZED a sum of squares of weights per warp.
__device__ constexpr int Z_partials_at(int l) {
    int at = 0;
    for (int i = 1; i < l; ++i) at += tile_columns(i) * BATCH_SIZE * row_stride(i);
    return at;
}
__device__ constexpr int activations_at(int l) {
    int at = Z_partials_at(LAYERS);
    for (int i = 1; i < l; ++i) at += BATCH_SIZE * row_stride(i);
    return at;
}
__device__ constexpr int dA_partials_at(int l) {
    int at = activations_at(LAYERS);
    for (int i = 1; i < l; ++i) at += tile_rows(i + 1) * BATCH_SIZE * row_stride(i);
    return at;
}
__device__ constexpr int delta_below_at() { return dA_partials_at(HIDDEN); }
__device__ constexpr int delta_at() { return delta_below_at() + BATCH_SIZE * row_stride(HIDDEN); }
__device__ constexpr int losses_at() { return delta_at() + BATCH_SIZE * OUTPUTS; }
__device__ constexpr int squares_at() { return losses_at() + BATCH_SIZE; }
static_assert(squares_at() + (PENALIZED ? THREAD_BLOCKS * WARPS : 0) == WORKSPACE, "the host allocates another size of workspace");

// Each sum between hidden layers is needed by a whole row or column of tiles. For large batches it is added
// up once, in a phase of its own; for small ones by every thread block that needs it, which saves a barrier.
#define SUM_ONCE (BATCH_SIZE > 256)

// The phase of its own: A[l] from the partial sums of Z[l], or (BACKWARD) δ[l] from those of dA[l], in place
// of the first partial sum.
template <int l, bool BACKWARD>
__device__ inline void sum_partials(const Epoch& epoch) {
    constexpr int PARTIALS = BACKWARD ? tile_rows(l + 1) : tile_columns(l), STRIDE = BATCH_SIZE * row_stride(l);
    T* partials = epoch.workspace + (BACKWARD ? dA_partials_at(l) : Z_partials_at(l));
    T* A = epoch.workspace + activations_at(l);
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < epoch.batch * row_stride(l) / 4; i += gridDim.x * THREADS) {
        Vec4 sum = {}, a = {};
#pragma unroll
        for (int p = 0; p < PARTIALS; ++p) add4(sum, load4(partials + p * STRIDE + 4 * i));
        if (BACKWARD) a = load4(A + 4 * i);
        for (int j = 0; j < 4; ++j) {
            int unit = 4 * i % row_stride(l) + j;
            if (BACKWARD) sum.v[j] = activation_backward(activation(l), sum.v[j], a.v[j]);
            else sum.v[j] = unit < size(l) ? activate(activation(l), sum.v[j] + epoch.theta[bias_at(l) + unit]) : T(0);
        }
        store4((BACKWARD ? partials : A) + 4 * i, sum);
    }
}

// Load the tile's inputs, columns of A[l − 1], to shared memory for m examples: computed from the partial
// sums of Z[l − 1], or as they were STORED before.
template <int l, bool STORED>
__device__ inline void load_activations(const Epoch& epoch, int first, int m) {
    constexpr int QUADS = tile_inputs(l) / 4;
    const T* b = epoch.theta + bias_at(l - 1);
#pragma unroll 4
    for (int job = threadIdx.x; job < rows_read(m) * QUADS; job += THREADS) {
        int e = job / QUADS, k = job % QUADS * 4, unit = tile_column(l) * tile_inputs(l) + k;
        int at = (first + e) * row_stride(l - 1) + unit;
        Vec4 a = {};
        if (e < m && unit < row_stride(l - 1)) {
            T* A = epoch.workspace + activations_at(l - 1) + at;
            if (STORED) {
                a = load4(A);
            } else {
#pragma unroll
                for (int p = 0; p < tile_columns(l - 1); ++p)
                    add4(a, load4(epoch.workspace + Z_partials_at(l - 1) + p * BATCH_SIZE * row_stride(l - 1) + at));
                for (int j = 0; j < 4; ++j)
                    a.v[j] = unit + j < size(l - 1) ? activate(activation(l - 1), a.v[j] + b[unit + j]) : T(0);
                if (tile_row(l) == 0) store4(A, a);
            }
        }
        store4(shared() + inputs_at(l) + e * pitch(l) + k, a);
    }
}

// Load δ[l] of the tile's units to shared memory for m examples.
template <int l>
__device__ inline void load_deltas(const Epoch& epoch, int first, int m) {
#pragma unroll 4
    for (int job = threadIdx.x; job < rows_read(m) * (TILE_UNITS / 4); job += THREADS) {
        int e = job / (TILE_UNITS / 4), n = job % (TILE_UNITS / 4) * 4, unit = tile_row(l) * TILE_UNITS + n;
        int at = (first + e) * row_stride(l) + unit;
        Vec4 d = {};
        if (e < m && unit < row_stride(l)) {
            if constexpr (l == HIDDEN) {
                d = load4(epoch.workspace + delta_below_at() + at);
            } else if (SUM_ONCE) {
                d = load4(epoch.workspace + dA_partials_at(l) + at);
            } else {
#pragma unroll
                for (int p = 0; p < tile_rows(l + 1); ++p)
                    add4(d, load4(epoch.workspace + dA_partials_at(l) + p * BATCH_SIZE * row_stride(l) + at));
                Vec4 a = load4(epoch.workspace + activations_at(l) + at);
                for (int j = 0; j < 4; ++j) d.v[j] = activation_backward(activation(l), d.v[j], a.v[j]);
            }
        }
        store4(shared() + deltas_at() + e * DELTA_PITCH + n, d);
    }
}
