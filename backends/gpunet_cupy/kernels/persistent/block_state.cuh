// The state of a thread block, from the first step of a launch to the last: the epoch, and the weights and
// slots of its tiles, which stay in shared memory.
//
// Macros besides those of tiling.cuh and update.cuh: BATCH_SIZE.
#pragma once
#include "common/examples.cuh"
#include "common/given.cuh"
#include "common/parameters.cuh"
#include "common/shared_memory.cuh"
#include "common/update.cuh"
#include "common/warp.cuh"
#include "persistent/tiling.cuh"

#define HIDDEN (LAYERS - 1)  // hidden layers
#define OUTPUTS (size(LAYERS))
#define WARPS (THREADS / WARP)

// Positions in shared memory of each layer's tile (the weights, then each slot), and of its inputs.
__device__ constexpr int tile_at(int l) {
    int at = 0;
    for (int i = 1; i < l; ++i) at += pitch(i) * (TILE_UNITS * (1 + SLOTS) + CHUNK);
    return at;
}
__device__ constexpr int inputs_at(int l) { return tile_at(l) + pitch(l) * TILE_UNITS * (1 + SLOTS); }

// The arguments of the launch, and the current step.
struct Epoch {
    const Given* X;
    const T *Y, *weights;
    const int* order;
    T *theta, *slots, *workspace, *losses;
    int examples;
    const T* c;            // coefficients of this step
    int step, first, batch;  // its number, its first position in the epoch, its examples
    const T *mean, *deviation;  // of X (given.cuh)
};

__device__ inline int example_index(const Epoch& epoch, int position) { return example_index(epoch.order, position); }

__device__ inline T* shared() { return reinterpret_cast<T*>(shared_memory); }

// Copy the tiles of layers l, l + 1, … between theta and slots in global memory and shared memory.
template <int l, bool STORE>
__device__ inline void copy_weights(const Epoch& epoch) {
    if (blockIdx.x < tile_rows(l) * tile_columns(l)) {
        for (int i = threadIdx.x; i < (1 + SLOTS) * TILE_UNITS * tile_inputs(l); i += THREADS) {
            int slot = i / (TILE_UNITS * tile_inputs(l)), n = i / tile_inputs(l) % TILE_UNITS, k = i % tile_inputs(l);
            int unit = tile_row(l) * TILE_UNITS + n, input = tile_column(l) * tile_inputs(l) + k;
            bool in_range = unit < size(l) && input < size(l - 1);
            T* local = shared() + tile_at(l) + (slot * TILE_UNITS + n) * pitch(l) + k;
            T* global = slot ? epoch.slots + (slot - 1) * parameters() : epoch.theta;
            global += weights_at(l) + unit * size(l - 1) + input;
            if (!STORE) {
                *local = in_range ? *global : T(0);
            } else if (in_range) {
                *global = *local;
            }
        }
    }
    if constexpr (l < tiled_layers()) copy_weights<l + 1, STORE>(epoch);
}

__device__ inline void load_weights(const Epoch& epoch) { copy_weights<1, false>(epoch); }
__device__ inline void store_weights(const Epoch& epoch) { copy_weights<1, true>(epoch); }
