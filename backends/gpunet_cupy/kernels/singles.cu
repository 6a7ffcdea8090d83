// Exact SGD in blocks of single examples, all of a call in one launch: plain descent, one hidden layer.
//
// The first layer's tiles (tile.cu) stay in the shared memory of all thread blocks but the last. For each block of CHUNK
// examples they make P = X Wᵀ, the last thread block takes the steps one after the other (sequence.cu) while the others
// fetch the next examples and their products G = X Xᵀ, and then W ← W + Eᵀ X. All wait for each other in between.
//
// Macros beside those of sequence.cu: BYTES and WORK, what the host takes shared memory and `work` to need.

__device__ constexpr int larger(int a, int b) { return a > b ? a : b; }

__device__ constexpr int at_deltas() { return at_tile(2); }
__device__ constexpr int at_scratch() { return at_deltas() + CHUNK * DELTA_PITCH; }
static_assert(larger(sizeof(Sequence), sizeof(T) * (at_scratch() + THREADS * 16)) == BYTES,
              "the host reserves another amount of shared memory");

// Global memory: partial sums of P, P, E, and G of the block at hand and of the next one.
__device__ constexpr int at_P() { return cols(1) * CHUNK * stride(1); }
__device__ constexpr int at_E() { return at_P() + CHUNK * stride(1); }
__device__ constexpr int at_G(int block) { return at_E() + CHUNK * stride(1) + block % 2 * CHUNK * CHUNK; }
static_assert(at_G(1) + CHUNK * CHUNK == WORK, "the host makes room for another amount of work");

// G below its diagonal, for `count` examples from position `begin` on: one warp a number, warps of `blocks` thread blocks.
__device__ inline void products_of_examples(const Run& r, int begin, int count, T* G, int blocks) {
    const int lane = threadIdx.x % WARP;
    for (int job = blockIdx.x * WARPS + threadIdx.x / WARP; job < count * CHUNK; job += blocks * WARPS) {
        const int j = job / CHUNK, i = job % CHUNK;
        if (i >= j) continue;
        const T* a = r.X + source_of(r, begin + i) * size(0);
        const T* b = r.X + source_of(r, begin + j) * size(0);
        T sum = T(0);
#pragma unroll 8
        for (int k = lane; k < size(0); k += WARP) sum += a[k] * b[k];
        sum = warp_sum(sum);
        if (lane == 0) G[job] = sum;
    }
}

// The parts of P, added up: all thread blocks together, four numbers a thread.
__device__ inline void add_parts(T* work, int count) {
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < count * stride(1) / 4; i += gridDim.x * THREADS) {
        Four sum = {};
#pragma unroll
        for (int part = 0; part < cols(1); ++part) add(sum, four(work + part * CHUNK * stride(1) + 4 * i));
        put(work + at_P() + 4 * i, sum);
    }
}

// W ← W + Eᵀ X for the tile's inputs, which are still there.
__device__ inline void add_steps(const T* work, int count) {
    T *delta = shared() + at_deltas(), *W = shared() + at_tile(1);
    for (int job = threadIdx.x; job < count * (TALL / 4); job += THREADS) {
        int e = job / (TALL / 4), n = job % (TALL / 4) * 4, unit = row_of(1) * TALL + n;
        Four d = {};
        if (unit < stride(1)) d = four(work + at_E() + e * stride(1) + unit);
        put(delta + e * DELTA_PITCH + n, d);
    }
    __syncthreads();
    Gradient<1> dW;
    dW.clear();
    dW.accumulate(shared() + at_inputs(1), delta, count);
    dW.gather(shared() + at_scratch());
    if (dW.group() == 0)
#pragma unroll
        for (int i = 0; i < Gradient<1>::EACH; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) W[(dW.unit() + i) * pitch(1) + dW.input() + j] += dW.g[i][j];
}

// The last layer and the biases, which the last thread block keeps, from theta or back to it.
template <bool BACK>
__device__ inline void carry_rest(const Run& r) {
    Sequence& s = *reinterpret_cast<Sequence*>(memory);
    for (int i = threadIdx.x; i < (OUTPUTS + 1) * HALF + OUTPUTS; i += THREADS) {
        int row = i / HALF, n = i % HALF;
        T* here = row < OUTPUTS ? &s.W[row][n] : row == OUTPUTS ? &s.b[n] : &s.b_out[n];
        T* there = r.theta + (row < OUTPUTS ? at_weights(2) + row * size(1) : at_bias(row - OUTPUTS + 1)) + n;
        bool real = row > OUTPUTS || n < size(1);
        if (!BACK) *here = real ? *there : T(0);
        else if (real) *there = *here;
    }
}

// All steps of `used` examples. theta is read and written, losses[t] gets J of step t; `count` is 0.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    train(const T* X, const T* Y, const T* weights, const int* order, int used, const T* coefficients, T* theta,
          T* slots, T* work, T* losses, unsigned* count) {
    Run r = {X, Y, weights, order, theta, slots, work, losses, used, coefficients, 0, 0, 1};
    const bool tile = blockIdx.x < rows(1) * cols(1), last = blockIdx.x == gridDim.x - 1;
    unsigned passed = 0;
    Held held;
    if (tile) held.fetch(r, 0, min(CHUNK, used));
    if (tile) carry<1, false>(r);
    if (last) carry_rest<false>(r);
    products_of_examples(r, 0, min(CHUNK, used), work + at_G(0), gridDim.x);
    for (int begin = 0, block = 0; begin < used; begin += CHUNK, ++block) {
        const int now = min(CHUNK, used - begin), next = min(CHUNK, used - begin - CHUNK);
        if (tile) {
            __syncthreads();
            held.put_down(shared() + at_inputs(1));
            __syncthreads();
            T* P = work + col_of(1) * CHUNK * stride(1) + row_of(1) * TALL;
            product<1>(shared() + at_inputs(1), shared() + at_tile(1), P, now);
        }
        everyone(count, passed);
        add_parts(work, now);
        everyone(count, passed);
        if (last) {
            sequence(r, begin, now, work + at_P(), work + at_G(block), work + at_E());
        } else {
            if (tile) held.fetch(r, begin + CHUNK, next);
            products_of_examples(r, begin + CHUNK, next, work + at_G(block + 1), gridDim.x - 1);
        }
        everyone(count, passed);
        if (tile) add_steps(work, now);
    }
    __syncthreads();
    if (tile) carry<1, true>(r);
    if (last) carry_rest<true>(r);
}
