// The last layer of a batch and its gradient, in one pass over Z[L − 1]: each group of threads takes one row
// after the other (common/output_layer.cuh), and sums the rows' contributions to the gradients in registers.
//
// Macros: UNITS_BELOW with ACTIVATION_BELOW, OUTPUTS with ACTIVATION, LOSS, THREADS per thread block, GROUP
// threads per row; those of parts.cuh; DROPOUT (of the last layer's inputs, as in gather.cu), DROPOUT_KEPT, LAYERS.
#include "common/dropout.cuh"
#include "common/examples.cuh"
#include "common/output_layer.cuh"
#include "common/parts.cuh"
#include "common/shared_memory.cuh"

#define GROUPS (THREADS / GROUP)
#define AT_A_TIME 8  // values per thread that are added up over the groups at a time

// sums[i] ← Σ over the groups of value i, for `total` values: member t of each group has values t, t + GROUP, …
// in `mine`. The groups are added up in their order; with `accumulate`, to what is in `sums`.
template <int N>
__device__ inline void sum_groups(T* shared, T* sums, int total, const T (&mine)[N], bool accumulate) {
    const int group = threadIdx.x / GROUP, member = threadIdx.x % GROUP;
#pragma unroll
    for (int begin = 0; begin < N; begin += AT_A_TIME) {
        const int count = N - begin < AT_A_TIME ? N - begin : AT_A_TIME;
        __syncthreads();  // `shared` may still be read
#pragma unroll
        for (int i = 0; i < count; ++i) shared[(i * GROUPS + group) * GROUP + member] = mine[begin + i];
        __syncthreads();
        for (int i = threadIdx.x; i < count * GROUP; i += THREADS) {
            const int at = begin * GROUP + i;
            if (at >= total) break;
            T sum = accumulate ? sums[at] : T(0);
#pragma unroll
            for (int g = 0; g < GROUPS; ++g) sum += shared[(i / GROUP * GROUPS + g) * GROUP + i % GROUP];
            sums[at] = sum;
        }
    }
}

// δ[L − 1] (m, UNITS_BELOW) from the product X W[L − 1]ᵀ, which comes as partial sums, `apart` values from each
// other, without biases. `below` ← δ[L − 1] as the gradient's product reads it; it may be Z. Each thread block
// writes its partial sums: of dW[L] to row blockIdx.x of `sums_W` (thread blocks, OUTPUTS · UNITS_BELOW), of
// db[L − 1] and db[L] to that of `sums_below` and `sums_out`, whose rows are `stride` apart, and of the losses w L
// to `losses`. A batch has `count` examples; its m examples from `first` on are here. The step's number is *base +
// offset. With `accumulate` all sums are added to those of earlier chunks of the batch. Shared memory holds
// AT_A_TIME values per thread.
extern "C" __global__ void __launch_bounds__(THREADS)
    output_layer(const T* Z, long long apart, int partials, Stored* below, const T* W, const T* bias_below,
                 const T* bias, const T* Y, const T* weights, const int* order, const int* keys, const int* base,
                 int offset, int batch_size, int first, int m, int count, T* losses, T* sums_W, T* sums_below,
                 T* sums_out, int stride, int accumulate) {
    using Layer = OutputLayer<UNITS_BELOW, OUTPUTS, ACTIVATION_BELOW, ACTIVATION, GROUP>;
    constexpr int EACH = Layer::EACH, pitch = stored_pitch(UNITS_BELOW);
    T* shared = reinterpret_cast<T*>(shared_memory);
    Layer layer;
    T dW[OUTPUTS][EACH] = {}, db[EACH] = {}, db_out[1] = {}, J[1] = {};
    layer.load_weights(W, bias_below, bias);
    const int step = *base + offset, begin = step * batch_size + first, rows_apart = gridDim.x * GROUPS;
    const int lane = layer.output();
    int row = blockIdx.x * GROUPS + threadIdx.x / GROUP;
    int source = row < m ? example_index(order, begin + row) : 0;
    T next_z[EACH], next_y, next_weight;
    const auto prefetch = [&](int row) {
        const T* z = Z + (long long)row * UNITS_BELOW;
#pragma unroll
        for (int i = 0; i < EACH; ++i) next_z[i] = layer.in_range(i) ? z[layer.unit(i)] : T(0);
        for (int p = 1; p < partials; ++p)
#pragma unroll
            for (int i = 0; i < EACH; ++i)
                if (layer.in_range(i)) next_z[i] += z[p * apart + layer.unit(i)];
        next_y = lane < OUTPUTS ? Y[(long long)source * OUTPUTS + lane] : T(0);
        next_weight = weights ? weights[source] : T(1);
        if (row + rows_apart < m) source = example_index(order, begin + (row + rows_apart));
    };
    if (row < m) prefetch(row);
    for (; row < m; row += rows_apart) {
        T z[EACH], a[EACH], keep[EACH], L = T(0), y = next_y, weight = next_weight;
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            z[i] = next_z[i];
            if (DROPOUT)
                keep[i] = dropout_factor(keys[step * LAYERS + LAYERS - 1], layer.unit(i) * count + first + row, DROPOUT,
                                         T(DROPOUT_KEPT));
        }
        if (row + rows_apart < m) prefetch(row + rows_apart);  // the next row is loaded while this one is computed
        const T delta = layer.template forward_backward<DROPOUT != 0>(z, a, keep, y, weight / T(count), shared, L);
        db_out[0] += delta;
        J[0] += weight * L;
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) {
            T delta_k = __shfl_sync(ALL_LANES, delta, k);
#pragma unroll
            for (int i = 0; i < EACH; ++i) dW[k][i] += delta_k * a[i];
        }
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            T delta_below[1] = {z[i]};
            db[i] += z[i];
            if (layer.in_range(i))
                store_parts<false>(below + (long long)row * stored_row(pitch) + layer.unit(i), pitch, delta_below);
        }
    }
#pragma unroll
    for (int k = 0; k < OUTPUTS; ++k)
        sum_groups(shared, sums_W + (blockIdx.x * OUTPUTS + k) * UNITS_BELOW, UNITS_BELOW, dW[k], accumulate);
    sum_groups(shared, sums_below + blockIdx.x * stride, UNITS_BELOW, db, accumulate);
    sum_groups(shared, sums_out + blockIdx.x * stride, OUTPUTS, db_out, accumulate);
    sum_groups(shared, losses + blockIdx.x, 1, J, accumulate);
}
