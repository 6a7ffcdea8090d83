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
static_assert(larger(sizeof(Sequence), sizeof(T) * (at_scratch() + 32 * THREADS)) == BYTES,
              "the host reserves another amount of shared memory");

// Global memory: partial sums of P, P, E, and G of the block at hand and of the next one.
__device__ constexpr int at_P() { return cols(1) * CHUNK * stride(1); }
__device__ constexpr int at_E() { return at_P() + CHUNK * stride(1); }
__device__ constexpr int at_G(int block) { return at_E() + CHUNK * stride(1) + block % 2 * CHUNK * CHUNK; }
static_assert(at_G(1) + CHUNK * CHUNK == WORK, "the host makes room for another amount of work");

// G below its diagonal, for `count` examples from position `begin` on: one warp a number, in all thread
// blocks but the last.
__device__ inline void products_of_examples(const Run& r, int begin, int count, T* G) {
    const int lane = threadIdx.x % WARP;
    for (int job = blockIdx.x * WARPS + threadIdx.x / WARP; job < count * CHUNK; job += (gridDim.x - 1) * WARPS) {
        const int j = job / CHUNK, i = job % CHUNK;
        if (i >= j) continue;
        const T* a = r.X + (long long)source_of(r, begin + i) * size(0);
        const T* b = r.X + (long long)source_of(r, begin + j) * size(0);
        T sum = T(0);
#pragma unroll 4
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
    __syncthreads();
    dW.lay_out(shared() + at_scratch());
    __syncthreads();
    for (int quad = threadIdx.x; quad < TALL * Gradient<1>::QUADS; quad += THREADS) {
        Four g = dW.total(shared() + at_scratch(), quad);
        T* p = W + quad / Gradient<1>::QUADS * pitch(1) + quad % Gradient<1>::QUADS * 4;
        add(g, four(p));
        put(p, g);
    }
}

// The last layer and the biases, which the last thread block keeps, from theta or back to it.
template <bool BACK>
__device__ inline void carry_rest(const Run& r) {
    Sequence& s = *reinterpret_cast<Sequence*>(memory);
    for (int i = threadIdx.x; i < (OUTPUTS + 1) * WIDEST + OUTPUTS; i += THREADS) {
        int row = i / WIDEST, n = i % WIDEST;
        T* here = row < OUTPUTS ? &s.W[row][n] : row == OUTPUTS ? &s.b[n] : &s.b_out[n];
        T* there = r.theta + (row < OUTPUTS ? at_weights(2) + row * size(1) : at_bias(row - OUTPUTS + 1)) + n;
        bool real = row > OUTPUTS || n < size(1);
        if (!BACK) *here = real ? *there : T(0);
        else if (real) *there = *here;
    }
}

// What the last thread block does: it takes the steps.
__device__ inline void step_by_step(const Run& r, unsigned* count) {
    unsigned passed = 0;
    carry_rest<false>(r);
    for (int begin = 0, block = 0; begin < r.used; begin += CHUNK, ++block) {
        const int now = min(CHUNK, r.used - begin);
        everyone(count, passed);
        add_parts(r.work, now);
        everyone(count, passed);
        sequence(r, begin, now, r.work + at_P(), r.work + at_G(block), r.work + at_E());
        everyone(count, passed);
    }
    __syncthreads();
    carry_rest<true>(r);
}

// What the others do, each with its tile.
__device__ inline void products(const Run& r, unsigned* count) {
    unsigned passed = 0;
    Held held;
    T *in = shared() + at_inputs(1), *W = shared() + at_tile(1);
    T* P = r.work + col_of(1) * CHUNK * stride(1) + row_of(1) * TALL;
    held.ask(r, 0, min(CHUNK, r.used));
    held.fetch(r);
    carry<1, false>(r);
    products_of_examples(r, 0, min(CHUNK, r.used), r.work + at_G(0));
    for (int begin = 0, block = 0; begin < r.used; begin += CHUNK, ++block) {
        const int now = min(CHUNK, r.used - begin), next = min(CHUNK, r.used - begin - CHUNK);
        held.ask(r, begin + CHUNK, next);
        __syncthreads();
        held.put_down(in);
        __syncthreads();
        product<1>(in, W, P, now);
        everyone(count, passed);
        add_parts(r.work, now);
        everyone(count, passed);
        held.fetch(r);
        products_of_examples(r, begin + CHUNK, next, r.work + at_G(block + 1));
        everyone(count, passed);
        add_steps(r.work, now);
    }
    __syncthreads();
    carry<1, true>(r);
}

// All steps of `used` examples. theta is read and written, losses[t] gets J of step t; `count` is 0.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    train(const T* X, const T* Y, const T* weights, const int* order, int used, const T* coefficients, T* theta,
          T* slots, T* work, T* losses, unsigned* count) {
    const Run r = {X, Y, weights, order, theta, slots, work, losses, used, coefficients, 0, 0, 1};
    if (blockIdx.x == gridDim.x - 1) {
        step_by_step(r, count);
    } else {
        products(r, count);
    }
}
