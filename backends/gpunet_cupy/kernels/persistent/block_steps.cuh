// What the sequential parts of blocked SGD have in common. Within a block of single examples, step j needs only
//     z_j = w P_j + q Q_j + Σ_{i<j} u_i G_ij δ_i
// of the first layer (common/recurrence.cuh), and first_layer.cuh computes all of it but δ.
//
// `State` is a thread block's state of the steps, in shared memory. It has z (of the outputs, for the losses, which
// are computed after all steps), Y, and the examples' weight and rate.
//
// Macros besides those of block_state.cuh: LOSS. CHUNK is the number of examples per block.
#pragma once
#include "common/output_delta.cuh"
#include "common/vec4.cuh"
#include "persistent/block_state.cuh"
#include "persistent/descent.cuh"

#define LANES (lanes_for(OUTPUTS))

// Load what belongs to the examples to shared memory.
template <class State>
__device__ inline void load_examples(const Epoch& epoch, State& s, int begin, int count) {
    for (int i = threadIdx.x; i < count; i += THREADS) {
        s.weight[i] = epoch.weights ? epoch.weights[example_index(epoch, begin + i)] : T(1);
        s.rate[i] = epoch.c[begin + i];
    }
    for (int i = threadIdx.x; i < count * OUTPUTS; i += THREADS)
        s.Y[i / OUTPUTS][i % OUTPUTS] =
            epoch.Y[(long long)example_index(epoch, begin + i / OUTPUTS) * OUTPUTS + i % OUTPUTS];
}

// The losses of every `stride`-th example from `first` on, one warp each.
template <class State>
__device__ inline void store_losses(const Epoch& epoch, const State& s, int begin, int count, int first, int stride) {
    const int lane = threadIdx.x % WARP, k = lane % LANES < OUTPUTS ? lane % LANES : 0;
    for (int i = first; i < count; i += stride) {
        T L = T(0);
        lane_output_delta<OUTPUTS>(activation(LAYERS), LOSS, s.z[i][k], s.Y[i][k], true, L);
        if (lane == 0) epoch.losses[begin + i] = s.weight[i] * L;
    }
}
