// Copy examples of X in the order of the epoch, with dropout, as the first layer's product reads them.
//
// Macros: INPUTS, values per example; VECTOR, values per thread (1, or 4 where INPUTS is a multiple of 4); those of
// parts.cuh and given.cuh; DROPOUT, its rate · 2²⁴ (0: none), DROPOUT_KEPT, the factor of what is kept, and LAYERS.
#include "common/dropout.cuh"
#include "common/examples.cuh"
#include "common/given.cuh"
#include "common/parts.cuh"
#include "common/values.cuh"

// out (m, INPUTS) ← rows of X. A batch has `count` examples; its m examples from `first` on are copied. The step's
// number is *base + offset.
extern "C" __global__ void gather(const Given* X, const int* order, const int* keys, const int* base, int offset,
                                  int batch_size, int first, int m, int count, Stored* out, const T* mean,
                                  const T* deviation) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const int row = int(i / (INPUTS / VECTOR)), column = int(i % (INPUTS / VECTOR)) * VECTOR;
    if (row >= m) return;
    const int step = *base + offset;
    const Given* from = X + (long long)example_index(order, step * batch_size + first + row) * INPUTS + column;
    Values<VECTOR> x = values_of(load_given<VECTOR>(from), mean, deviation, column);
#pragma unroll
    for (int j = 0; j < VECTOR && DROPOUT; ++j)
        x.v[j] *= dropout_factor(keys[step * LAYERS], (column + j) * count + first + row, DROPOUT, T(DROPOUT_KEPT));
    constexpr int pitch = stored_pitch(INPUTS);
    store_parts<true>(out + (long long)row * stored_row(pitch) + column, pitch, x.v);
}
