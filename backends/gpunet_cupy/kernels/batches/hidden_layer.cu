// Elementwise work of one hidden layer, between its products.
//
// Products come as partial sums, `apart` values from each other. Macros: UNITS, ACTIVATION; VECTOR, values per
// thread (1, or 4 where UNITS is a multiple of 4); those of parts.cuh; DROPOUT (of the next layer's
// inputs, as in gather.cu), DROPOUT_KEPT, DROPOUT_LAYER, the next layer's number from 0 on, and LAYERS.
#include "common/activations.cuh"
#include "common/dropout.cuh"
#include "common/parts.cuh"
#include "common/values.cuh"

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
    Values<VECTOR> z = load_values<VECTOR>(Z + i * VECTOR);
    for (int p = 1; p < partials; ++p) {
        const Values<VECTOR> next = load_values<VECTOR>(Z + p * apart + i * VECTOR);
#pragma unroll
        for (int j = 0; j < VECTOR; ++j) z.v[j] += next.v[j];
    }
    T a[VECTOR];
#pragma unroll
    for (int j = 0; j < VECTOR; ++j) a[j] = activate(ACTIVATION, z.v[j] + b[n + j]);
    if (A) store_values(A + i * VECTOR, a);
#pragma unroll
    for (int j = 0; j < VECTOR; ++j) a[j] *= factor(keys, step, n + j, first + row, count);
    constexpr int pitch = stored_pitch(UNITS);
    store_parts<true>(out + (long long)row * stored_row(pitch) + n, pitch, a);
}

// out ← δ = D ∘ g′(Z), from A = g(Z), and the sums of δ over its m rows, for the gradient of b. D is the gradient
// of the next layer's inputs.
//
// Thread (p, n) takes rows p, p + sums_rows, p + 2 sums_rows, … of VECTOR columns, and writes their partial sums:
// without atomics, so a run repeats bit for bit, and neighbouring threads read neighbouring addresses. Rows of `sums`
// are `stride` values apart. With `accumulate` the new sums are added to those of earlier chunks of the batch. `out`
// may be D.
extern "C" __global__ void backward(const T* D, long long apart, int partials, const T* A, const int* keys,
                                    const int* base, int offset, int first, int m, int count, Stored* out, T* sums,
                                    int sums_rows, int stride, int accumulate) {
    constexpr int AHEAD = 4;  // rows that are loaded before the first is used
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int p = i / (UNITS / VECTOR), n = i % (UNITS / VECTOR) * VECTOR;
    if (p >= sums_rows) return;
    const int step = *base + offset;
    constexpr int pitch = stored_pitch(UNITS);
    T sum[VECTOR];
#pragma unroll
    for (int k = 0; k < VECTOR; ++k) sum[k] = accumulate ? sums[p * stride + n + k] : T(0);
    for (int begin = p; begin < m; begin += AHEAD * sums_rows) {
        Values<VECTOR> d[AHEAD], a[AHEAD];
#pragma unroll
        for (int j = 0; j < AHEAD; ++j) {
            const long long at = (long long)(begin + j * sums_rows) * UNITS + n;
            if (begin + j * sums_rows >= m) break;
            d[j] = load_values<VECTOR>(D + at);
            a[j] = load_values<VECTOR>(A + at);
            for (int q = 1; q < partials; ++q) {
                const Values<VECTOR> next = load_values<VECTOR>(D + q * apart + at);
#pragma unroll
                for (int k = 0; k < VECTOR; ++k) d[j].v[k] += next.v[k];
            }
        }
#pragma unroll
        for (int j = 0; j < AHEAD; ++j) {
            const int row = begin + j * sums_rows;
            if (row >= m) break;
#pragma unroll
            for (int k = 0; k < VECTOR; ++k) {
                const T dA = d[j].v[k] * factor(keys, step, n + k, first + row, count);
                d[j].v[k] = activation_backward(ACTIVATION, dA, a[j].v[k]);
                sum[k] += d[j].v[k];
            }
            store_parts<false>(out + (long long)row * stored_row(pitch) + n, pitch, d[j].v);
        }
    }
#pragma unroll
    for (int k = 0; k < VECTOR; ++k) sums[p * stride + n + k] = sum[k];
}
