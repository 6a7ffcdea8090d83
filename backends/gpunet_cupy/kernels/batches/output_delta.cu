// Output activation, loss and δ[L], after the product of the last layer, which comes as partial sums.
//
// Macros: UNITS, ACTIVATION, LOSS.
#include "common/examples.cuh"
#include "common/output_delta.cuh"

// Z (m, UNITS) ← δ[L] of the product's sum over `partials` arrays, `apart` values from each other, of which the
// first is Z; losses[first + row] ← w L. One warp per row. A batch has `count` examples; its m examples from
// `first` on are here. Targets and weights are read at the examples' places in the data. The step's number is
// *base + offset.
extern "C" __global__ void output_delta(T* Z, long long apart, int partials, const T* b, const T* Y, const T* weights,
                                        const int* order, const int* base, int offset, int batch_size, int first,
                                        int m, int count, T* losses) {
    const int row = (blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    if (row >= m) return;  // a whole warp
    T* z = Z + (long long)row * UNITS;
    if (partials > 1) {
        for (int k = threadIdx.x % WARP; k < UNITS; k += WARP)
            for (int p = 1; p < partials; ++p) z[k] += z[p * apart + k];
        __syncwarp();
    }
    const long long source = example_index(order, (*base + offset) * batch_size + first + row);
    const T weight = weights ? weights[source] : T(1);
    const T L = warp_output_delta(ACTIVATION, LOSS, UNITS, z, b, Y + source * UNITS, weight / T(count));
    if (threadIdx.x % WARP == 0) losses[first + row] = weight * L;
}
