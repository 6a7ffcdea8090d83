// Blocked SGD, the sequential part: all steps of a block of examples, in one launch of one thread block.
//
// The first layer's product with an example is a combination of products that cuBLAS computed for the whole
// block (recurrence.cuh), so no step reads its weights. The biases and the weights of later layers are small:
// they stay in shared memory for the whole block, and are updated as usual (layers.cuh).
//
// Macros: those of network.cuh, update.cuh and block_state.cuh.
#include "blocked/block_state.cuh"
#include "blocked/layers.cuh"
#include "blocked/recurrence.cuh"
#include "common/examples.cuh"

// Copy n values, all threads together.
__device__ inline void copy(T* to, const T* from, int n) {
    for (int i = threadIdx.x; i < n; i += THREADS) to[i] = from[i];
}

// The steps of `count` examples from position *step · BATCH_SIZE on. P (count, n[1]), Q likewise or null, G
// (count, count); b, W (of the later layers) and their slots are read and written. E and R (count, n[1]) ← u
// δ[1] and r δ[1]; wqp ← w, q and p; losses ← J of each step.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    run_block(const T* P, const T* Q, const T* G, const T* Y, const T* weights, const int* order, int count,
              const T* coefficients, int* step, T* b, T* W, T* slot_b, T* slot_W, T* E, T* R, T* wqp, T* losses) {
    BlockState& s = *reinterpret_cast<BlockState*>(shared_memory);
    const int start = *step;
    copy(&s.D[0][0], P, count * size(1));
    copy(s.G, G, count * count);
    copy(s.b, b, BIASES);
    copy(s.W, W, LATER_WEIGHTS);
    if (SLOTS) copy(s.slot_b, slot_b, BIASES);
    if (SLOTS) copy(s.slot_W, slot_W, LATER_WEIGHTS);
    for (int i = threadIdx.x; i < count * OUTPUTS; i += THREADS) {
        long long source = example_index(order, start * BATCH_SIZE + i / OUTPUTS);
        s.Y[i / OUTPUTS][i % OUTPUTS] = Y[source * OUTPUTS + i % OUTPUTS];
        if (i % OUTPUTS == 0) s.weight[i / OUTPUTS] = weights ? weights[source] : T(1);
    }
    if (threadIdx.x == 0) s.w = s.p = 1.0, s.q = 0.0;
    __syncthreads();
    int current = start;
    for (int j = 0; j < count; j += BATCH_SIZE, ++current) {
        const int B = count - j < BATCH_SIZE ? count - j : BATCH_SIZE;
        const T rate = coefficients[current];
        first_layer(s, Q, j, B);
        __syncthreads();
#pragma unroll
        for (int l = 2; l <= LAYERS; ++l) {
            next_layer(s, l, B);
            __syncthreads();
        }
        output_deltas(s, j, B);
        advance(s, j, B, count, rate);
        __syncthreads();
#pragma unroll
        for (int l = LAYERS; l > 1; --l) {
            layer_backward(s, l, B, rate);
            update_bias(s, l, B, rate);
            if (l > 2) __syncthreads();
        }
        update_bias(s, 1, B, rate);
        for (int n = threadIdx.x; n < size(1); n += THREADS)
            for (int e = 0; e < B; ++e) s.D[j + e][n] = s.A[e][n];
        if (threadIdx.x == 0) {
            T J = T(0);
            for (int e = 0; e < B; ++e) J += s.L[e];
            losses[current] = J / T(B);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count * size(1); i += THREADS) {
        T d = s.D[i / size(1)][i % size(1)];
        E[i] = T(s.u[i / size(1)]) * d;
        if (SLOTS) R[i] = T(s.r[i / size(1)]) * d;
    }
    copy(b, s.b, BIASES);
    copy(W, s.W, LATER_WEIGHTS);
    if (SLOTS) copy(slot_b, s.slot_b, BIASES);
    if (SLOTS) copy(slot_W, s.slot_W, LATER_WEIGHTS);
    if (threadIdx.x == 0) {
        wqp[0] = T(s.w), wqp[1] = T(s.q), wqp[2] = T(s.p);
        *step = current;
    }
}

// The first layer after a block, without the gradients' terms, which matrix products add: W ← w W + q V, V ←
// p V, n values.
extern "C" __global__ void combine(T* W, T* V, const T* wqp, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    T v = SLOTS ? V[i] : T(0);
    W[i] = wqp[0] * W[i] + wqp[1] * v;
    if (SLOTS) V[i] = wqp[2] * v;
}
