// Gradient descent on what a thread has in registers: weights whose gradient is δ a, and biases (a = 1). It is
// the rule of common/update.cuh, with what is the same for all weights of a unit taken out of the loops.
#pragma once
#include "common/update.cuh"

static_assert(RULE == PLAIN || RULE == MOMENTUM || RULE == NESTEROV, "the rule is not linear in the gradient");

// A step with a learning rate.
struct Descent {
    T rate, shrink, along;

    __device__ inline explicit Descent(T rate)
        : rate(rate), shrink(T(1) - rate * T(WEIGHT_DECAY)), along(RULE == NESTEROV ? rate * T(BETA1) : rate) {}

    // What `update` takes for δ.
    __device__ inline T scaled(T delta) const { return RULE == PLAIN ? rate * delta : T(1.0 - BETA1) * delta; }

    // Update the parameter w and its momentum v.
    template <bool DECAYS>
    __device__ inline void update(T& w, T& v, T scaled_delta, T a) const {
        if (DECAYS && WEIGHT_DECAY != 0) w *= shrink;
        if (RULE == PLAIN) {
            w -= scaled_delta * a;
        } else {
            v = T(BETA1) * v + scaled_delta * a;
            w -= along * v;
            if (RULE == NESTEROV) w -= rate * (scaled_delta * a);
        }
    }
};
