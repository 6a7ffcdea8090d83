// Elementwise work of one hidden layer, between cuBLAS products.
//
// Macros: UNITS, ACTIVATION.
#include "common/activations.cuh"

// Z ← g(Z + b), (m, UNITS): one thread per value.
extern "C" __global__ void forward(T* Z, const T* b, int m) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < m * UNITS) Z[i] = activate(ACTIVATION, Z[i] + b[i % UNITS]);
}

// D ← D ∘ g′(Z), from A = g(Z), and the sums of D over its m rows, for the gradient of b.
//
// Thread (p, n) takes rows p, p + partials, p + 2 partials, … of column n, and writes one partial sum:
// without atomics, so a run repeats bit for bit, and neighbouring threads read neighbouring addresses. Rows of
// `sums` are `stride` values apart. With `accumulate` the new sums are added to those of earlier chunks of
// the batch.
extern "C" __global__ void backward(T* D, const T* A, T* sums, int m, int partials, int stride, int accumulate) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int p = i / UNITS, n = i % UNITS;
    if (p >= partials) return;
    T sum = accumulate ? sums[p * stride + n] : T(0);
    for (int first = p; first < m; first += 4 * partials) {
        T d[4], a[4];  // four rows are loaded before the first is used
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int at = (first + j * partials) * UNITS + n;
            bool in_range = first + j * partials < m;
            d[j] = in_range ? D[at] : T(0);
            a[j] = in_range ? A[at] : T(0);
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (first + j * partials >= m) break;
            d[j] = activation_backward(ACTIVATION, d[j], a[j]);
            D[(first + j * partials) * UNITS + n] = d[j];
            sum += d[j];
        }
    }
    sums[p * stride + n] = sum;
}
