// The coefficients of common/recurrence.cuh, from step to step.
#pragma once
#include "blocked/block_state.cuh"
#include "common/recurrence.cuh"

// The step of the examples j … j + B, with a learning rate; then u_i G_ij for the examples of the next step.
// It needs the rate only, so it runs between the same barriers as `output_deltas`.
__device__ inline void advance(BlockState& s, int j, int B, int count, double rate) {
    const RecurrenceStep step(rate);
    if (threadIdx.x == 0) step.change_start(s.w, s.q, s.p);
    for (int i = threadIdx.x; i < j + B; i += THREADS) {
        if (i < j) step.change(s.u[i], s.r[i]);
        else step.set(s.u[i], s.r[i]);
        for (int e = 0; e < BATCH_SIZE && j + B + e < count; ++e)
            s.u_G[e][i] = T(s.u[i]) * s.G[(j + B + e) * count + i];
    }
}
