// Blocked SGD in one cooperative launch: single examples, plain gradient descent, one hidden layer.
//
// The first layer's tiles (tiling.cuh) stay in the shared memory of all thread blocks but the last. For each
// block of CHUNK examples they compute P = X Wᵀ; then the last thread block runs the steps one after the
// other (sequential_steps.cuh), while the others prefetch the next examples and compute their G = X Xᵀ; then
// W ← W + Eᵀ X. Grid barriers separate these phases.
//
// Macros: those of network.cuh, tiling.cuh, update.cuh, block_state.cuh, and SHARED_BYTES and WORKSPACE, the
// sizes of shared memory (in bytes) and of the workspace (in values) that the host allocates.
#include "common/grid_barrier.cuh"
#include "persistent/prefetch.cuh"
#include "persistent/sequential_steps.cuh"
#include "persistent/tile_products.cuh"

__device__ constexpr int larger(int a, int b) { return a > b ? a : b; }

__device__ constexpr int deltas_at() { return tile_at(2); }
__device__ constexpr int scratch_at() { return deltas_at() + CHUNK * DELTA_PITCH; }
static_assert(larger(sizeof(StepState), sizeof(T) * (scratch_at() + 32 * THREADS)) == SHARED_BYTES,
              "the host allocates another size of shared memory");

// The workspace: partial sums of P, P, E, and G of this block and of the next one.
__device__ constexpr int P_at() { return tile_columns(1) * CHUNK * row_stride(1); }
__device__ constexpr int E_at() { return P_at() + CHUNK * row_stride(1); }
__device__ constexpr int G_at(int block) { return E_at() + CHUNK * row_stride(1) + block % 2 * CHUNK * CHUNK; }
static_assert(G_at(1) + CHUNK * CHUNK == WORKSPACE, "the host allocates another size of workspace");

// G below its diagonal, for `count` examples from position `begin` on: one warp per value, in all thread
// blocks but the last.
__device__ inline void gram_matrix(const Epoch& epoch, int begin, int count, T* G) {
    const int lane = threadIdx.x % WARP;
    for (int job = blockIdx.x * WARPS + threadIdx.x / WARP; job < count * CHUNK; job += (gridDim.x - 1) * WARPS) {
        const int j = job / CHUNK, i = job % CHUNK;
        if (i >= j) continue;
        const T* a = epoch.X + (long long)example_index(epoch, begin + i) * size(0);
        const T* b = epoch.X + (long long)example_index(epoch, begin + j) * size(0);
        T sum = T(0);
#pragma unroll 4
        for (int k = lane; k < size(0); k += WARP) sum += a[k] * b[k];
        sum = warp_sum(sum);
        if (lane == 0) G[job] = sum;
    }
}

// P from its partial sums: all thread blocks together, four values per thread.
__device__ inline void sum_partials(T* workspace, int count) {
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < count * row_stride(1) / 4; i += gridDim.x * THREADS) {
        Vec4 sum = {};
#pragma unroll
        for (int p = 0; p < tile_columns(1); ++p) add4(sum, load4(workspace + p * CHUNK * row_stride(1) + 4 * i));
        store4(workspace + P_at() + 4 * i, sum);
    }
}

// W ← W + Eᵀ X for the tile, whose inputs are still in shared memory.
__device__ inline void apply_block(const T* workspace, int count) {
    T *delta = shared() + deltas_at(), *W = shared() + tile_at(1);
    for (int job = threadIdx.x; job < count * (TILE_UNITS / 4); job += THREADS) {
        int e = job / (TILE_UNITS / 4), n = job % (TILE_UNITS / 4) * 4, unit = tile_row(1) * TILE_UNITS + n;
        Vec4 d = {};
        if (unit < row_stride(1)) d = load4(workspace + E_at() + e * row_stride(1) + unit);
        store4(delta + e * DELTA_PITCH + n, d);
    }
    __syncthreads();
    Gradient<1> dW;
    dW.clear();
    dW.accumulate(shared() + inputs_at(1), delta, count);
    __syncthreads();
    dW.store_partials(shared() + scratch_at());
    __syncthreads();
    for (int quad = threadIdx.x; quad < TILE_UNITS * Gradient<1>::QUADS; quad += THREADS) {
        Vec4 g = dW.total(shared() + scratch_at(), quad);
        T* p = W + quad / Gradient<1>::QUADS * pitch(1) + quad % Gradient<1>::QUADS * 4;
        add4(g, load4(p));
        store4(p, g);
    }
}

// Copy the last layer and the biases, which the last thread block owns, between theta and shared memory.
template <bool STORE>
__device__ inline void copy_output_layer(const Epoch& epoch) {
    StepState& s = *reinterpret_cast<StepState*>(shared_memory);
    for (int i = threadIdx.x; i < (OUTPUTS + 1) * MAX_UNITS + OUTPUTS; i += THREADS) {
        int row = i / MAX_UNITS, n = i % MAX_UNITS;
        T* local = row < OUTPUTS ? &s.W[row][n] : row == OUTPUTS ? &s.b[n] : &s.b_out[n];
        T* global = epoch.theta + (row < OUTPUTS ? weights_at(2) + row * size(1) : bias_at(row - OUTPUTS + 1)) + n;
        bool in_range = row > OUTPUTS || n < size(1);
        if (!STORE) *local = in_range ? *global : T(0);
        else if (in_range) *global = *local;
    }
}

// The last thread block: it runs the steps.
__device__ inline void train_sequential(const Epoch& epoch, unsigned* counter) {
    unsigned passed = 0;
    copy_output_layer<false>(epoch);
    for (int begin = 0, block = 0; begin < epoch.examples; begin += CHUNK, ++block) {
        const int count = min(CHUNK, epoch.examples - begin);
        grid_barrier(counter, passed);
        sum_partials(epoch.workspace, count);
        grid_barrier(counter, passed);
        run_steps(epoch, begin, count, epoch.workspace + P_at(), epoch.workspace + G_at(block),
                  epoch.workspace + E_at());
        grid_barrier(counter, passed);
    }
    __syncthreads();
    copy_output_layer<true>(epoch);
}

// The other thread blocks, each with its tile.
__device__ inline void train_tile(const Epoch& epoch, unsigned* counter) {
    unsigned passed = 0;
    PrefetchedChunk next;
    T *in = shared() + inputs_at(1), *W = shared() + tile_at(1);
    T* P = epoch.workspace + tile_column(1) * CHUNK * row_stride(1) + tile_row(1) * TILE_UNITS;
    next.load_indices(epoch, 0, min(CHUNK, epoch.examples));
    next.prefetch(epoch);
    load_weights(epoch);
    gram_matrix(epoch, 0, min(CHUNK, epoch.examples), epoch.workspace + G_at(0));
    for (int begin = 0, block = 0; begin < epoch.examples; begin += CHUNK, ++block) {
        const int count = min(CHUNK, epoch.examples - begin), next_count = min(CHUNK, epoch.examples - begin - CHUNK);
        next.load_indices(epoch, begin + CHUNK, next_count);
        __syncthreads();
        next.store_shared(in);
        __syncthreads();
        product<1>(in, W, P, count);
        grid_barrier(counter, passed);
        sum_partials(epoch.workspace, count);
        grid_barrier(counter, passed);
        next.prefetch(epoch);
        gram_matrix(epoch, begin + CHUNK, next_count, epoch.workspace + G_at(block + 1));
        grid_barrier(counter, passed);
        apply_block(epoch.workspace, count);
    }
    __syncthreads();
    store_weights(epoch);
}

// All steps of `examples` examples. theta is read and written, losses[t] ← J of step t; *counter is 0.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    train(const T* X, const T* Y, const T* weights, const int* order, int examples, const T* coefficients, T* theta,
          T* slots, T* workspace, T* losses, unsigned* counter) {
    const Epoch epoch = {X, Y, weights, order, theta, slots, workspace, losses, examples, coefficients, 0, 0, 1};
    if (blockIdx.x == gridDim.x - 1) {
        train_sequential(epoch, counter);
    } else {
        train_tile(epoch, counter);
    }
}
