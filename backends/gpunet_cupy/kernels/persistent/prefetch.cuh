// Prefetching X: the next chunk is loaded from global memory into registers while the current one is
// computed, and stored to shared memory when that is free. The indices of its examples are loaded one step
// earlier still, because X can't be read before.
#pragma once
#include "common/vec4.cuh"
#include "persistent/block_state.cuh"

// A chunk of examples, the columns of X that are the inputs of the thread block's tile of layer 1.
struct PrefetchedChunk {
    static constexpr int QUADS = tile_inputs(1) / 4, EACH = (CHUNK * QUADS + THREADS - 1) / THREADS;
    int row[EACH], expected;
    Vec4 x[EACH];

    __device__ inline int example(int i) const { return (threadIdx.x + i * THREADS) / QUADS; }
    __device__ inline int input(int i) const {
        return tile_column(1) * tile_inputs(1) + (threadIdx.x + i * THREADS) % QUADS * 4;
    }

    // Load the indices of m examples from a position on. Threads past the last example load that one; it is
    // not used.
    __device__ inline void load_indices(const Epoch& epoch, int position, int m) {
        expected = m;
        if (m <= 0) return;
#pragma unroll
        for (int i = 0; i < EACH; ++i) row[i] = example_index(epoch, position + min(example(i), m - 1));
    }

    // Likewise, for the chunk of a step that begins with the step's example `first`.
    __device__ inline void load_indices_of_step(const Epoch& epoch, int step, int first) {
        int at = step * BATCH_SIZE, batch = min(BATCH_SIZE, epoch.examples - at);
        load_indices(epoch, at + first, min(CHUNK, batch - first));
    }

    // Load the examples into registers.
    __device__ inline void prefetch(const Epoch& epoch) {
        if (expected <= 0) return;
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            const T* X = epoch.X + (long long)row[i] * size(0);
            const int k = input(i);
            x[i] = {};
            if (size(0) % 4 == 0) {
                if (k < size(0)) x[i] = load4(X + k);
            } else {
                for (int j = 0; j < 4; ++j) x[i].v[j] = k + j < size(0) ? X[k + j] : T(0);
            }
        }
    }

    __device__ inline void store_shared(T* in) const {
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            int job = threadIdx.x + i * THREADS;
            if (job < CHUNK * QUADS) store4(in + job / QUADS * pitch(1) + job % QUADS * 4, x[i]);
        }
    }
};
