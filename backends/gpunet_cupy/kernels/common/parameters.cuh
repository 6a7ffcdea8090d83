// Where the parameters are in theta: W[1] … W[L], then b[1] … b[L] (gpunet_cupy/layout.py).
#pragma once
#include "common/network.cuh"

__device__ constexpr int weights_at(int l) {
    int at = 0;
    for (int i = 1; i < l; ++i) at += size(i) * size(i - 1);
    return at;
}
__device__ constexpr int bias_at(int l) {
    int at = weights_at(LAYERS + 1);
    for (int i = 1; i < l; ++i) at += size(i);
    return at;
}
__device__ constexpr int parameters() { return bias_at(LAYERS + 1); }
