// Losses L and their gradients ∂L/∂z, for one output (C2, C4, C5, C9). `g` is the output activation, `loss`
// the loss; both are compile-time constants.
#pragma once
#include "common/activations.cuh"
#include "common/quotient.cuh"

#define CROSS_ENTROPY 0
#define LOGISTIC 1
#define SQUARED_ERROR 2
#define ABSOLUTE_ERROR 3

// ∂L/∂z of one output with a = g(z), for all losses but cross-entropy. The canonical pairs have a − y.
__device__ inline T loss_backward(int g, int loss, T a, T y) {
    T e = a - y;
    if (loss == LOGISTIC) return e;
    if (loss == SQUARED_ERROR) return activation_backward(g, e, a);
    return activation_backward(g, e > T(0) ? T(1) : e < T(0) ? T(-1) : e, a);
}

// L of one output, likewise. The logistic loss is computed from z, which stays exact where a has rounded to 0
// or 1.
__device__ inline T loss_value(int loss, T z, T a, T y) {
    T e = a - y;
    if (loss == LOGISTIC) return (z > T(0) ? z : T(0)) - z * y + log1p(exp(-fabs(z)));
    return loss == SQUARED_ERROR ? T(0.5) * e * e : fabs(e);
}

// Softmax with cross-entropy: ∂L/∂z of one output with e = exp(z − top), and its term of L. `top` is the
// largest z of all outputs, `total` the sum of all e.
__device__ inline T softmax_backward(T e, T total, T y) { return quotient(e, total) - y; }
__device__ inline T cross_entropy_term(T z, T top, T total, T y) { return y * (log(total) - (z - top)); }
