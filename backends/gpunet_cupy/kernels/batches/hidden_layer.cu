// Elementwise work of one hidden layer, between its products.
//
// Products come as partial sums, `apart` values from each other. Macros: UNITS, ACTIVATION; VECTOR, values per
// thread in `forward` (1, or 4 where UNITS is a multiple of 4); those of parts.cuh; DROPOUT (of the next layer's
// inputs, as in gather.cu), DROPOUT_KEPT, DROPOUT_LAYER, the next layer's number from 0 on, and LAYERS.
#include "common/activations.cuh"
#include "common/dropout.cuh"
#include "common/parts.cuh"

// The dropout factor of this layer's unit n for example `example` of a batch of `count`.
__device__ inline T factor(const int* keys, int step, int n, int example, int count) {
    return DROPOUT ? dropout_factor(keys[step * LAYERS + DROPOUT_LAYER], n * count + example, DROPOUT, T(DROPOUT_KEPT))
                   : T(1);
}

// A ← g(Z + b), (m, UNITS), and `out` ← A after dropout, as the next product reads it. A may be null.
extern "C" __global__ void forward(const T* Z, long long apart, int partials, const T* b, const int* keys,
                                   const int* base, int offset, int first, int m, int count, T* A, Stored* out) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const int row = int(i / (UNITS / VECTOR)), n = int(i % (UNITS / VECTOR)) * VECTOR;
    if (row >= m) return;
    const int step = *base + offset;
    T a[VECTOR];
#pragma unroll
    for (int j = 0; j < VECTOR; ++j) a[j] = T(0);
    for (int p = 0; p < partials; ++p)
#pragma unroll
        for (int j = 0; j < VECTOR; ++j) a[j] += Z[p * apart + i * VECTOR + j];
#pragma unroll
    for (int j = 0; j < VECTOR; ++j) {
        a[j] = activate(ACTIVATION, a[j] + b[n + j]);
        if (A) A[i * VECTOR + j] = a[j];
        a[j] *= factor(keys, step, n + j, first + row, count);
    }
    constexpr int pitch = stored_pitch(UNITS);
    store_parts<true>(out + (long long)row * stored_row(pitch) + n, pitch, a);
}

// out ← δ = D ∘ g′(Z), from A = g(Z), and the sums of δ over its m rows, for the gradient of b. D is the gradient
// of the next layer's inputs.
//
// Thread (p, n) takes rows p, p + sums_rows, p + 2 sums_rows, … of column n, and writes one partial sum: without
// atomics, so a run repeats bit for bit, and neighbouring threads read neighbouring addresses. Rows of `sums` are
// `stride` values apart. With `accumulate` the new sums are added to those of earlier chunks of the batch. `out`
// may be D.
extern "C" __global__ void backward(const T* D, long long apart, int partials, const T* A, const int* keys,
                                    const int* base, int offset, int first, int m, int count, Stored* out, T* sums,
                                    int sums_rows, int stride, int accumulate) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int p = i / UNITS, n = i % UNITS;
    if (p >= sums_rows) return;
    const int step = *base + offset;
    constexpr int pitch = stored_pitch(UNITS);
    T sum = accumulate ? sums[p * stride + n] : T(0);
    for (int row = p; row < m; row += 4 * sums_rows) {
        T d[4], a[4];  // four rows are loaded before the first is used
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const long long at = (long long)(row + j * sums_rows) * UNITS + n;
            const bool in_range = row + j * sums_rows < m;
            d[j] = T(0);
            for (int q = 0; q < partials; ++q) d[j] += in_range ? D[q * apart + at] : T(0);
            a[j] = in_range ? A[at] : T(0);
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int at = row + j * sums_rows;
            if (at >= m) break;
            T delta[1] = {activation_backward(ACTIVATION, d[j] * factor(keys, step, n, first + at, count), a[j])};
            store_parts<false>(out + (long long)at * stored_row(pitch) + n, pitch, delta);
            sum += delta[0];
        }
    }
    sums[p * stride + n] = sum;
}
