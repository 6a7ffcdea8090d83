// The network that a kernel is compiled for, as functions of the layer's number: 1 for the first layer,
// LAYERS for the last.
//
// Macros: LAYERS, SIZES (n[0], n[1], …), ACTIVATIONS (g[1], …; entry 0 is unused), LOSS.
#pragma once
#include "common/losses.cuh"

__device__ constexpr int size(int l) {
    constexpr int n[] = SIZES;
    return n[l];
}

__device__ constexpr int activation(int l) {
    constexpr int g[] = ACTIVATIONS;
    return g[l];
}
