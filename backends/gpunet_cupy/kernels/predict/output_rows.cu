// The activation of the last hidden layer and the outputs of many rows, in one pass over Z[L − 1]: each warp
// takes some rows after the other. Few outputs: each lane of a warp sums some of the units' terms of all of them.
//
// Macros: OUTPUTS, THREADS per thread block, and ROWS that a warp computes at a time: each weight that it reads
// is used for all of them.
#include "common/activations.cuh"
#include "common/shared_memory.cuh"
#include "common/warp.cuh"
#include "predict/finite.cuh"

#define LANES lanes_for(OUTPUTS)

// Output `threadIdx.x % LANES` of a row, from its z.
__device__ inline T output(int g, T z) {
    const bool in_range = threadIdx.x % LANES < OUTPUTS;
    if (g != SOFTMAX) return activate(g, z);
    T first = __shfl_sync(ALL_LANES, z, 0), top = in_range ? z : first;
#pragma unroll
    for (int offset = LANES / 2; offset > 0; offset /= 2) top = fmax(top, __shfl_xor_sync(ALL_LANES, top, offset));
    T e = in_range ? exp(z - top) : T(0);
    return e / lanes_sum<LANES>(e);
}

// out (m, OUTPUTS) ← A[L], from Z (m, units), the product of layer L − 1, whose activation is `below`, and W
// (OUTPUTS, units). Where `not_finite` is no null pointer, *not_finite ← 1 if a value of Z with its bias is not
// finite. Shared memory holds LANES rows of W.
extern "C" __global__ void __launch_bounds__(THREADS)
    output_rows(const T* Z, const T* bias_below, int below, int units, const T* W, const T* b, int g, int m, T* out,
                int* not_finite) {
    T* weights = reinterpret_cast<T*>(shared_memory);
    for (int i = threadIdx.x; i < LANES * units; i += THREADS) weights[i] = i < OUTPUTS * units ? W[i] : T(0);
    __syncthreads();
    const int lane = threadIdx.x % WARP, k = lane % LANES, warps = gridDim.x * (THREADS / WARP);
    const T bias = k < OUTPUTS ? b[k] : T(0);
    for (int row = (blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP) * ROWS; row < m; row += warps * ROWS) {
        T sum[ROWS][LANES] = {};
        const T* z[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; ++r) z[r] = Z + (long long)min(row + r, m - 1) * units;
#pragma unroll 4
        for (int j = lane; j < units; j += WARP) {
            T a[ROWS];
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                const T x = z[r][j] + bias_below[j];
                if (not_finite) report_not_finite(x, not_finite);
                a[r] = activate(below, x);
            }
#pragma unroll
            for (int i = 0; i < LANES; ++i) {
                const T w = weights[i * units + j];
#pragma unroll
                for (int r = 0; r < ROWS; ++r) sum[r][i] += w * a[r];
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const T a = output(g, warp_reduce_scatter<LANES / 2>(sum[r]) + bias);
            if (row + r < m && lane < OUTPUTS) out[(long long)(row + r) * OUTPUTS + lane] = a;
        }
    }
}
