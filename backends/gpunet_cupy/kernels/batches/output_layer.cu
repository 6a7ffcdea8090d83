// The last layer of a batch and its gradient, in one pass over Z[L − 1]: each group of threads takes one row
// after the other (common/output_layer.cuh), and sums the rows' contributions to the gradients in registers.
//
// Macros: UNITS_BELOW with ACTIVATION_BELOW, OUTPUTS with ACTIVATION, LOSS, THREADS per thread block, GROUP
// threads per row.
#include "common/examples.cuh"
#include "common/output_layer.cuh"
#include "common/shared_memory.cuh"

#define GROUPS (THREADS / GROUP)

// *sum ← the sum of `mine` over the groups of the thread block, added up in their order; with `accumulate`,
// plus *sum.
__device__ inline void sum_groups(T* shared, T* sum, T mine, bool in_range, bool accumulate) {
    for (int group = 0; group < GROUPS; ++group) {
        if (threadIdx.x / GROUP == group && in_range) *shared = (group ? *shared : T(0)) + mine;
        __syncthreads();
    }
    if (threadIdx.x < GROUP && in_range) *sum = (accumulate ? *sum : T(0)) + *shared;
}

// Z (m, UNITS_BELOW): X W[L − 1]ᵀ without biases on entry, δ[L − 1] on return. Each thread block writes its
// partial sums: of dW[L] to row blockIdx.x of `sums_W` (thread blocks, OUTPUTS · UNITS_BELOW), of db[L − 1]
// and db[L] to that of `sums_below` and `sums_out`, whose rows are `stride` apart, and of the losses w L to
// `losses`. A batch has `count` examples; its m examples from `first` on are here. With `accumulate` all sums
// are added to those of earlier chunks of the batch. Shared memory holds one value per thread, or what
// OutputLayer needs.
extern "C" __global__ void __launch_bounds__(THREADS)
    output_layer(T* Z, const T* W, const T* bias_below, const T* bias, const T* Y, const T* weights, const int* order,
                 const int* step, int batch_size, int first, int m, int count, T* losses, T* sums_W, T* sums_below,
                 T* sums_out, int stride, int accumulate) {
    using Layer = OutputLayer<UNITS_BELOW, OUTPUTS, ACTIVATION_BELOW, ACTIVATION, GROUP>;
    constexpr int EACH = Layer::EACH;
    T* shared = reinterpret_cast<T*>(shared_memory);
    Layer layer;
    T dW[EACH][OUTPUTS] = {}, db[EACH] = {}, db_out = T(0), J = T(0);
    layer.load_weights(W, bias_below, bias);
    const int lane = layer.output(), begin = *step * batch_size + first, rows_apart = gridDim.x * GROUPS;
    int row = blockIdx.x * GROUPS + threadIdx.x / GROUP;
    int source = row < m ? example_index(order, begin + row) : 0;
    T next_z[EACH], next_y, next_weight;
    const auto prefetch = [&](int row) {
#pragma unroll
        for (int i = 0; i < EACH; ++i)
            next_z[i] = layer.in_range(i) ? Z[(long long)row * UNITS_BELOW + layer.unit(i)] : T(0);
        next_y = lane < OUTPUTS ? Y[(long long)source * OUTPUTS + lane] : T(0);
        next_weight = weights ? weights[source] : T(1);
        if (row + rows_apart < m) source = example_index(order, begin + (row + rows_apart));
    };
    if (row < m) prefetch(row);
    for (; row < m; row += rows_apart) {
        T z[EACH], a[EACH], L = T(0), y = next_y, weight = next_weight;
        T* z_row = Z + (long long)row * UNITS_BELOW;
#pragma unroll
        for (int i = 0; i < EACH; ++i) z[i] = next_z[i];
        if (row + rows_apart < m) prefetch(row + rows_apart);  // the next row is loaded while this one is computed
        const T delta = layer.forward_backward(z, a, y, weight / T(count), shared, L);
        db_out += delta;
        J += weight * L;
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) {
            T delta_k = __shfl_sync(ALL_LANES, delta, k);
#pragma unroll
            for (int i = 0; i < EACH; ++i) dW[i][k] += delta_k * a[i];
        }
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            db[i] += z[i];
            if (layer.in_range(i)) z_row[layer.unit(i)] = z[i];
        }
    }
    const int member = layer.member();
    T* mine = shared + member;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
        const int unit = layer.unit(i);
        const bool in_range = unit < UNITS_BELOW;
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k)
            sum_groups(mine, sums_W + (blockIdx.x * OUTPUTS + k) * UNITS_BELOW + unit, dW[i][k], in_range, accumulate);
        sum_groups(mine, sums_below + blockIdx.x * stride + unit, db[i], in_range, accumulate);
    }
    sum_groups(mine, sums_out + blockIdx.x * stride + member, db_out, member < OUTPUTS, accumulate);
    sum_groups(mine, losses + blockIdx.x, J, member == 0, accumulate);
}
