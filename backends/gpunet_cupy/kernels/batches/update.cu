// The end of a step: the update of all parameters, and the loss of the batch.
//
// All parameters are in one array (gpunet_cupy/layout.py): W[1] … W[L], WEIGHTS values, then b[1] … b[L],
// BIASES values. The slots are arrays of the same layout, one after the other. The coefficients of the step
// are row *step of `coefficients`.
//
// Macros besides those of update.cuh: WEIGHTS, BIASES, OUTPUT_WEIGHTS (weights of the last layer, if their
// gradient comes as partial sums; else 0).
#include "common/shared_memory.cuh"
#include "common/update.cuh"

// The sum of `count` values, `stride` apart, in their order.
__device__ inline T sum_strided(const T* x, int count, int stride) {
    T sum = T(0);
#pragma unroll 16
    for (int i = 0; i < count; ++i) sum += x[i * stride];
    return sum;
}

// One thread per parameter. Gradients of the biases come as partial sums (partials, BIASES), and those of the
// last OUTPUT_WEIGHTS weights as (partials, OUTPUT_WEIGHTS).
extern "C" __global__ void update(T* theta, T* slots, const T* gradient, const T* sums_W, const T* sums, int partials,
                                  const T* coefficients, const int* step) {
    const int total = WEIGHTS + BIASES;
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    const T* c = coefficients + *step * COEFFICIENTS;
    T g = i < WEIGHTS - OUTPUT_WEIGHTS ? gradient[i]
          : i < WEIGHTS                ? sum_strided(sums_W + i - (WEIGHTS - OUTPUT_WEIGHTS), partials, OUTPUT_WEIGHTS)
                                       : sum_strided(sums + i - WEIGHTS, partials, BIASES);
    apply_update(theta + i, slots + i, total, g, c, i < WEIGHTS);
}

// losses[*step] ← J, the sum of n partial sums of losses, over the number of examples; then *step ← *step +
// 1. One thread block, whose shared memory holds a double per thread.
extern "C" __global__ void finish_step(const T* sums, int n, int examples, T* losses, int* step) {
    double* partial = reinterpret_cast<double*>(shared_memory);
    double sum = 0.0;
#pragma unroll 8
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += sums[i];
    partial[threadIdx.x] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {  // blockDim.x is a power of two
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        losses[*step] = T(partial[0] / examples);
        *step += 1;
    }
}
