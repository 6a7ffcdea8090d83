// Activations g(z) and their derivatives, for one value. `g` is a compile-time constant, so the switch
// disappears.
#pragma once
#include "common/quotient.cuh"

#define IDENTITY 0
#define SIGMOID 1
#define TANH 2
#define RELU 3
#define LEAKY_RELU 4
#define ELU 5
#define SELU 6
#define SOFTPLUS 7
#define SOFTMAX 8

// g(z). Comparisons are written so that NaN is passed on.
__device__ inline T activate(int g, T z) {
    switch (g) {
        case SIGMOID: {
            T e = exp(-fabs(z));  // never overflows
            return quotient(z >= T(0) ? T(1) : z < T(0) ? e : z, T(1) + e);
        }
        case TANH: return tanh(z);
        case RELU: return z < T(0) ? T(0) : z;
        case LEAKY_RELU: return z > T(0) ? z : T(LEAK) * z;
        case ELU: return z > T(0) ? z : expm1(z);
        case SELU: return T(SELU_SCALE) * (z > T(0) ? z : T(SELU_ALPHA) * expm1(z));
        case SOFTPLUS: return (z > T(0) ? z : T(0)) + log1p(exp(-fabs(z)));
        default: return z;
    }
}

// dA g′(z), with g′ computed from a = g(z).
__device__ inline T activation_backward(int g, T dA, T a) {
    switch (g) {
        case SIGMOID: return dA * a * (T(1) - a);
        case TANH: return dA * (T(1) - a * a);
        case RELU: return a > T(0) ? dA : T(0);
        case LEAKY_RELU: return a > T(0) ? dA : T(LEAK) * dA;
        case ELU: return a > T(0) ? dA : dA * (a + T(1));
        case SELU: return dA * (a > T(0) ? T(SELU_SCALE) : a + T(SELU_SCALE * SELU_ALPHA));
        case SOFTPLUS: return -dA * expm1(-a);
        default: return dA;
    }
}
