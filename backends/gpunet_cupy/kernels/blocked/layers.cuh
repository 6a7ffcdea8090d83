// One step of blocked SGD: forward, backward and update of the layers, for the examples j … j + B of the
// block.
//
// Unit n of a layer belongs to thread n mod THREADS: it alone reads and writes δ[1] and b[1] there, and
// updates that column of the next layer's weights. Threads meet at a barrier only where they need each
// other's activations.
#pragma once
#include "blocked/block_state.cuh"
#include "common/output_delta.cuh"

// Z[1]: the block's product, corrected for the steps since. A hidden layer becomes A[1].
__device__ inline void first_layer(BlockState& s, const T* Q, int j, int B) {
    T w = T(s.w), q = T(s.q);
    for (int n = threadIdx.x; n < size(1); n += THREADS) {
        for (int e = 0; e < B; ++e) {
            T z = w * s.D[j + e][n];
            if (SLOTS) z += q * Q[(j + e) * size(1) + n];
#pragma unroll 8
            for (int i = 0; i < j; ++i) z += s.u_G[e][i] * s.D[i][n];
            s.A[e][n] = LAYERS == 1 ? z : activate(activation(1), z + s.b[n]);
        }
    }
}

// A[l] from A[l − 1]; Z[L] without its bias. One warp computes one unit of one example.
__device__ inline void next_layer(BlockState& s, int l, int B) {
    int lane = threadIdx.x % WARP;
    for (int job = threadIdx.x / WARP; job < B * size(l); job += THREADS / WARP) {
        int e = job / size(l), k = job % size(l);
        const T* W = s.W + weights_at(l) + k * size(l - 1);
        const T* below = s.A[e] + units_at(l - 1);
        T z = T(0);
        for (int n = lane; n < size(l - 1); n += WARP) z += W[n] * below[n];
        z = warp_sum(z);
        if (lane == 0) s.A[e][units_at(l) + k] = l == LAYERS ? z : activate(activation(l), z + s.b[units_at(l) + k]);
    }
}

// δ[L] of every example of the step, one warp each.
__device__ inline void output_deltas(BlockState& s, int j, int B) {
    const int at = units_at(LAYERS);
    for (int e = threadIdx.x / WARP; e < B; e += THREADS / WARP) {
        T weight = s.weight[j + e];
        T L = warp_output_delta(activation(LAYERS), LOSS, OUTPUTS, s.A[e] + at, s.b + at, s.Y[j + e], weight / T(B));
        if (threadIdx.x % WARP == 0) s.L[e] = weight * L;
    }
}

// δ[l − 1] from δ[l], in place of A[l − 1], and the update of W[l]: each thread its columns.
__device__ inline void layer_backward(BlockState& s, int l, int B, T rate) {
    for (int n = threadIdx.x; n < size(l - 1); n += THREADS) {
        T d[BATCH_SIZE];
        const int below = units_at(l - 1) + n, above = units_at(l);
#pragma unroll
        for (int e = 0; e < BATCH_SIZE; ++e) d[e] = T(0);
        for (int k = 0; k < size(l); ++k) {
            int i = weights_at(l) + k * size(l - 1) + n;
            T W = s.W[i], g = T(0);
#pragma unroll
            for (int e = 0; e < BATCH_SIZE; ++e) {
                if (e < B) {
                    T delta = s.A[e][above + k];
                    d[e] += W * delta;
                    g += delta * s.A[e][below];
                }
            }
            apply_update(s.W + i, s.slot_W + (SLOTS ? i : 0), 0, g, &rate, true);
        }
#pragma unroll
        for (int e = 0; e < BATCH_SIZE; ++e)
            if (e < B) s.A[e][below] = activation_backward(activation(l - 1), d[e], s.A[e][below]);
    }
}

// The update of b[l]; its gradient is the sum of δ[l] over the step's examples.
__device__ inline void update_bias(BlockState& s, int l, int B, T rate) {
    for (int n = threadIdx.x; n < size(l); n += THREADS) {
        int at = units_at(l) + n;
        T g = T(0);
        for (int e = 0; e < B; ++e) g += s.A[e][at];
        apply_update(s.b + at, s.slot_b + (SLOTS ? at : 0), 0, g, &rate, false);
    }
}
