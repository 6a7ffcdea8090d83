// The forward pass of many rows: what follows the cuBLAS product of each layer.
//
// Macros: none. Sizes and activations are arguments: one compiled module is for all networks.
#include "common/activations.cuh"
#include "common/warp.cuh"
#include "predict/finite.cuh"

// Z ← g(Z + b), `count` values in rows of `units`: one thread per value. Where `not_finite` is no null
// pointer, *not_finite ← 1 if a value of Z + b is not finite.
extern "C" __global__ void activate_rows(T* Z, const T* b, int units, int count, int g, int* not_finite) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const T z = Z[i] + b[i % units];
    if (not_finite) report_not_finite(z, not_finite);
    Z[i] = activate(g, z);
}

// Each row of Z (m, units) ← softmax(Z + b): one warp per row; likewise.
extern "C" __global__ void softmax_rows(T* Z, const T* b, int units, int m, int* not_finite) {
    const int row = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
    if (row >= m) return;  // a whole warp
    T* z = Z + (long long)row * units;
    T top = z[0] + b[0], total = T(0);
    for (int k = lane; k < units; k += WARP) {
        if (not_finite) report_not_finite(z[k] + b[k], not_finite);
        top = fmax(top, z[k] + b[k]);
    }
    top = warp_max(top);
    for (int k = lane; k < units; k += WARP) total += exp(z[k] + b[k] - top);
    total = warp_sum(total);
    for (int k = lane; k < units; k += WARP) z[k] = exp(z[k] + b[k] - top) / total;
}
