// The update rule (C19, C20, C21) for one parameter: the only one, for all kernels.
//
// Macros: RULE (a name below), WEIGHT_DECAY, BETA1 (momentum's β, Adam's β₁, RMSprop's ρ), BETA2, EPSILON, PENALIZED
// (whether the cost has an L2 penalty), and COEFFICIENTS, how many there are per step, with the penalty's λ as the last.
#pragma once

#define PLAIN 0
#define MOMENTUM 1
#define NESTEROV 2
#define ADAM 3
#define RMSPROP 4

#define SLOTS (RULE == PLAIN ? 0 : RULE == ADAM ? 2 : 1)

// The strength λ of the L2 penalty ½ λ Σ W², and ∂J/∂w of the cost with it, where g is that of the cost without it. `c`
// are the step's coefficients.
__device__ inline T penalty_strength(const T* c) { return PENALIZED ? c[COEFFICIENTS - 1] : T(0); }
__device__ inline T penalized(T g, T w, const T* c) { return PENALIZED ? g + penalty_strength(c) * w : g; }

// Update the parameter *p by its gradient g. Its slots are `stride` values apart. `c` are the step's
// coefficients; c[0] is the learning rate. Weights decay (C21), biases do not.
__device__ inline void apply_update(T* p, T* slots, int stride, T g, const T* c, bool decays) {
    T theta = *p;
    if (decays) theta = (T(1) - c[0] * T(WEIGHT_DECAY)) * theta;
#if RULE == PLAIN
    theta -= c[0] * g;
#elif RULE == MOMENTUM || RULE == NESTEROV
    T v = T(BETA1) * slots[0] + T(1.0 - BETA1) * g;
    slots[0] = v;
    theta -= c[0] * (RULE == NESTEROV ? T(BETA1) * v + T(1.0 - BETA1) * g : v);
#elif RULE == ADAM
    T v = T(BETA1) * slots[0] + T(1.0 - BETA1) * g;
    T s = T(BETA2) * slots[stride] + T(1.0 - BETA2) * g * g;
    slots[0] = v;
    slots[stride] = s;
    theta -= c[1] * v / (c[2] * sqrt(s) + T(EPSILON));
#else
    T s = T(BETA1) * slots[0] + T(1.0 - BETA1) * g * g;
    slots[0] = s;
    theta -= c[0] * g / (sqrt(s) + T(EPSILON));
#endif
    *p = theta;
}
