// Prefetching X: the next chunk is loaded from global memory into registers while the current one is
// computed, and stored to shared memory when that is free. The indices of its examples are loaded one step
// earlier still, because X can't be read before. Integers stay so in registers, until they are standardised: its divisions
// take long, so that `standardize` does them while the thread block would wait for others.
//
// Macros: those of block_state.cuh and given.cuh.
#pragma once
#include "common/given.cuh"
#include "common/vec4.cuh"
#include "persistent/block_state.cuh"

// A chunk of examples, the columns of X that are the inputs of the thread block's tile of layer 1.
struct PrefetchedChunk {
    static constexpr int QUADS = tile_inputs(1) / 4, EACH = (CHUNK * QUADS + THREADS - 1) / THREADS;
    int row[EACH], expected;
    // Whether `standardize` does it: where there are registers for the values, and a step has one chunk.
    static constexpr bool EARLY = STANDARDIZED && EACH <= 8 && BATCH_SIZE <= CHUNK;
    GivenValues<4> x[EACH];
    Values<4> standardized[EARLY ? EACH : 1];
    const T *mean, *deviation;  // of integers

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
        mean = epoch.mean;
        deviation = epoch.deviation;
        if (expected <= 0) return;
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            const Given* X = epoch.X + (long long)row[i] * size(0);
            const int k = input(i);
            x[i] = {};
            if (size(0) % 4 == 0) {
                if (k < size(0)) x[i] = load_given<4>(X + k);
            } else {
                for (int j = 0; j < 4; ++j) x[i].v[j] = k + j < size(0) ? X[k + j] : Given(0);
            }
        }
    }

    // The values of x[i]; those past the last input are 0.
    __device__ inline Values<4> values(int i) const {
        const int k = input(i);
        Values<4> values = {};
        if constexpr (!STANDARDIZED || size(0) % 4 == 0) {
            if (!STANDARDIZED || k < size(0)) values = values_of(x[i], mean, deviation, k);
        } else {
            for (int j = 0; j < 4; ++j)
                if (k + j < size(0)) values.v[j] = value_of(x[i].v[j], mean, deviation, k + j);
        }
        return values;
    }

    // Once for each chunk, between `prefetch` and `store_shared`.
    __device__ inline void standardize() {
        if constexpr (EARLY) {
#pragma unroll
            for (int i = 0; i < EACH; ++i) standardized[i] = values(i);
        }
    }

    __device__ inline void store_shared(T* in) const {
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            int job = threadIdx.x + i * THREADS;
            if (job < CHUNK * QUADS) {
                const Values<4> stored = EARLY ? standardized[EARLY ? i : 0] : values(i);
                store_values(in + job / QUADS * pitch(1) + job % QUADS * 4, stored.v);
            }
        }
    }
};
