// The first layer's weights W and momentum V within a block, as coefficients of what they were at its start
// (W₀, V₀) and of the gradients δ_i x_iᵀ of its examples:
//     W = w W₀ + q V₀ + Σ_i u_i δ_i x_iᵀ,    V = p V₀ + Σ_i r_i δ_i x_iᵀ.
// Gradient descent with momentum, Nesterov's form and weight decay (C19, C20, C21) is linear in (W, V), so a
// step changes only the coefficients. It follows that
//     W x_j = w P_j + q Q_j + Σ_{i<j} u_i G_ij δ_i,    P = X W₀ᵀ,  Q = X V₀ᵀ,  G = X Xᵀ.
#pragma once
#include "blocked/block_state.cuh"

// The step of the examples j … j + B, with a learning rate; then u_i G_ij for the examples of the next step.
// It needs the rate only, so it runs between the same barriers as `output_deltas`.
__device__ inline void advance(BlockState& s, int j, int B, int count, double rate) {
    constexpr double BETA = RULE == PLAIN ? 0.0 : BETA1;
    const double shrink = 1.0 - rate * WEIGHT_DECAY, along = RULE == NESTEROV ? rate * BETA : rate;
    if (threadIdx.x == 0) {
        s.p *= BETA;
        s.w *= shrink;
        s.q = s.q * shrink - along * s.p;
    }
    for (int i = threadIdx.x; i < j + B; i += THREADS) {
        s.r[i] = i < j ? BETA * s.r[i] : 1.0 - BETA;
        s.u[i] = (i < j ? s.u[i] * shrink : 0.0) - along * s.r[i];
        if (RULE == NESTEROV && i >= j) s.u[i] -= rate * (1.0 - BETA);
        for (int e = 0; e < BATCH_SIZE && j + B + e < count; ++e)
            s.u_G[e][i] = T(s.u[i]) * s.G[(j + B + e) * count + i];
    }
}
