// The first layer's weights W and momentum V within a block of blocked SGD, as coefficients of what they were at its
// start (W₀, V₀) and of the gradients δ_i x_iᵀ of its examples:
//     W = w W₀ + q V₀ + Σ_i u_i δ_i x_iᵀ,    V = p V₀ + Σ_i r_i δ_i x_iᵀ.
// Gradient descent with momentum, Nesterov's form and weight decay (C19, C20, C21) is linear in (W, V), so a
// step changes only the coefficients, and they depend on the learning rates only. It follows that
//     W x_j = w P_j + q Q_j + Σ_{i<j} u_i G_ij δ_i,    P = X W₀ᵀ,  Q = X V₀ᵀ,  G = X Xᵀ.
#pragma once
#include "common/update.cuh"

// Whether W₀ keeps the coefficient 1 and V₀ has none.
#define COMBINES (RULE != PLAIN || WEIGHT_DECAY != 0)

// What a step with a learning rate makes of the coefficients.
struct RecurrenceStep {
    double rate, shrink, along;
    static constexpr double BETA = RULE == PLAIN ? 0.0 : BETA1;

    __device__ inline explicit RecurrenceStep(double rate)
        : rate(rate), shrink(1.0 - rate * WEIGHT_DECAY), along(RULE == NESTEROV ? rate * BETA : rate) {}

    // Of W₀ and V₀.
    __device__ inline void change_start(double& w, double& q, double& p) const {
        p *= BETA;
        w *= shrink;
        q = q * shrink - along * p;
    }

    // Of the gradient of an example of an earlier step.
    __device__ inline void change(double& u, double& r) const {
        r *= BETA;
        u = u * shrink - along * r;
    }

    // Of the gradient of an example of this step.
    __device__ inline void set(double& u, double& r) const {
        r = 1.0 - BETA;
        u = -along * r - (RULE == NESTEROV ? rate * r : 0.0);
    }
};
