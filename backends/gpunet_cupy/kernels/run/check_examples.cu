// Whether the examples of a run can be trained on, in one launch: all of X finite, all targets in reach.
//
// Macros: VECTOR, values of X per thread at a time (4 where their number and address allow it, else 1); TARGET, the type
// of targets; CLASSES, whether they are class numbers; SUM_TO_ONE, whether the targets of an example do; THREADS.
#include "common/values.cuh"
#include "common/warp.cuh"

using Target = TARGET;

// Stricter than the host's check, which has the last word.
#define SUM_ERROR 9e-4

template <class V>
__device__ inline bool is_finite(V x) {
    return x - x == V(0);
}

// For each thread block, found (blocks, 2): how many of its threads saw what can't be trained on, and its part of Σ |x|
// over every `every`-th row of X (m, n). X may be null. Y has m rows of k targets, or is null; all are to lie in
// [low, high], and class numbers are to be whole.
extern "C" __global__ void check_examples(const T* X, long long m, int n, long long every, const Target* Y, int k,
                                          double low, double high, double* found) {
    __shared__ double sums[2][THREADS / WARP];
    const long long first = (long long)blockIdx.x * THREADS + threadIdx.x, step = (long long)gridDim.x * THREADS;
    bool bad = false;
    double size = 0;
    if (X) {
        for (long long i = first; i < m * n / VECTOR; i += step) {
            const Values<VECTOR> x = load_values<VECTOR>(X + i * VECTOR);
#pragma unroll
            for (int j = 0; j < VECTOR; ++j) bad |= !is_finite(x.v[j]);
        }
        for (long long row = blockIdx.x * every; row < m; row += gridDim.x * every)
            for (int j = threadIdx.x; j < n; j += THREADS) size += fabs(double(X[row * n + j]));
    }
    for (long long row = first; Y && row < m; row += step) {
        double total = 0;
        for (int j = 0; j < k; ++j) {
            const double y = double(Y[row * k + j]);
            bad |= !(y >= low && y <= high && is_finite(y)) || (CLASSES && y != floor(y));
            total += y;
        }
        if (SUM_TO_ONE) bad |= !(fabs(total - 1) <= SUM_ERROR);
    }
    const double bads = warp_sum(bad ? 1.0 : 0.0);
    size = warp_sum(size);
    if (threadIdx.x % WARP == 0) {
        sums[0][threadIdx.x / WARP] = bads;
        sums[1][threadIdx.x / WARP] = size;
    }
    __syncthreads();
    if (threadIdx.x < 2) {
        double sum = 0;
        for (int i = 0; i < THREADS / WARP; ++i) sum += sums[threadIdx.x][i];
        found[2 * blockIdx.x + threadIdx.x] = sum;
    }
}
