// Output activation, loss and δ[L], after the cuBLAS product of the last layer.
//
// Macros: UNITS, ACTIVATION, LOSS.
#include "common/examples.cuh"
#include "common/output_delta.cuh"

// Z (m, UNITS) ← δ[L]; losses[first + row] ← w L. One warp per row. A batch has `count` examples; its m
// examples from `first` on are here. Targets and weights are read at the examples' places in the data. The
// step's number is read from the device.
extern "C" __global__ void output_delta(T* Z, const T* b, const T* Y, const T* weights, const int* order,
                                        const int* step, int batch_size, int first, int m, int count, T* losses) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    if (row >= m) return;  // a whole warp
    long long source = example_index(order, *step * batch_size + first + row);
    T weight = weights ? weights[source] : T(1);
    T L = warp_output_delta(ACTIVATION, LOSS, UNITS, Z + row * UNITS, b, Y + source * UNITS, weight / T(count));
    if (threadIdx.x % WARP == 0) losses[first + row] = weight * L;
}
