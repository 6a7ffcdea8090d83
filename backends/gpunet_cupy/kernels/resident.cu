// Mini-batches with the weights resident: all steps of a call in one launch, on all multiprocessors at once.
//
// Every hidden layer is cut into tiles (tile.cu), one a thread block, whose weights and slots stay in its shared memory
// from the first step to the last. A tile sees some of a layer's inputs: what it makes of them is a partial sum in
// global memory, and whoever needs the sum adds the parts, in their order. The last layer is small: there a block takes one
// example (head.cu). Between the phases of a step all blocks wait for each other:
//
//     forward 1 | … | forward L − 1 | outputs | backward L − 1 | … | backward 1, and forward 1 of the next step
//
// Chunks of X come from afar, so each is on its way, into registers, while the one before it is used.
//
// What blocks leave for each other is in exchange.cu, the last layer in resident_outputs.cu. Macros beside theirs: LOSS.

template <int l>
__device__ inline void forward(const Run& r, Held& held, unsigned* count, unsigned& passed) {
    if (blockIdx.x < rows(l) * cols(l)) {
        T* in = shared() + at_inputs(l);
        T* Z = r.work + at_parts(l) + col_of(l) * BATCH * stride(l) + row_of(l) * TALL;
        for (int first = 0; first < r.B; first += CHUNK) {
            const int m = min(CHUNK, r.B - first);
            if constexpr (l == 1) {  // next: another chunk, the way back's first one, or the next step's
                bool last = first + CHUNK >= r.B;
                held.ask_chunk(r, r.step + (last && BATCH <= CHUNK), last ? 0 : first + CHUNK);
            }
            __syncthreads();
            if constexpr (l == 1) {
                held.put_down(in);
            } else {
                take_activations<l, ONCE>(r, first, m);
            }
            __syncthreads();
            if constexpr (l == 1) held.fetch(r);
            product<l>(in, shared() + at_tile(l), Z + first * stride(l), m);
        }
    }
    everyone(count, passed);
    if constexpr (l < HIDDEN) {
        if (ONCE) {
            add_once<l, false>(r);
            everyone(count, passed);
        }
        forward<l + 1>(r, held, count, passed);
    }
}

template <int l>
__device__ inline void backward(const Run& r, Held& held, unsigned* count, unsigned& passed) {
    constexpr int APART = TALL * pitch(l), TOTAL = at_bias(LAYERS + 1);
    if (blockIdx.x < rows(l) * cols(l)) {
        T *W = shared() + at_tile(l), *in = shared() + at_inputs(l), *delta = shared() + at_deltas();
        Gradient<l> dW;
        T db = T(0);
        dW.clear();
        for (int first = 0; first < r.B; first += CHUNK) {
            const int m = min(CHUNK, r.B - first);
            if constexpr (l == 1 && BATCH > CHUNK) {
                bool last = first + CHUNK >= r.B;
                held.ask_chunk(r, r.step + last, last ? 0 : first + CHUNK);
            }
            __syncthreads();
            take_deltas<l>(r, first, m);
            if (BATCH > CHUNK) {  // else the inputs are still there
                if constexpr (l == 1) {
                    held.put_down(in);
                } else {
                    take_activations<l, true>(r, first, m);
                }
            }
            __syncthreads();
            if constexpr (l == 1 && BATCH > CHUNK) held.fetch(r);
            if constexpr (l > 1) {
                T* dA = r.work + at_parts_back(l - 1) + (row_of(l) * BATCH + first) * stride(l - 1);
                product_back<l>(delta, W, dA + col_of(l) * wide(l), m);
            }
            dW.accumulate(in, delta, m);
            if (col_of(l) == 0)
                for (int e = threadIdx.x / TALL; e < m; e += THREADS / TALL)
                    db += delta[e * DELTA_PITCH + threadIdx.x % TALL];
        }
        T* shares = shared() + at_scratch();
        __syncthreads();
        dW.lay_out(shares);
        delta[threadIdx.x] = db;
        __syncthreads();
        for (int quad = threadIdx.x; quad < TALL * Gradient<l>::QUADS; quad += THREADS) {
            Four g = dW.total(shares, quad);
            T* p = W + quad / Gradient<l>::QUADS * pitch(l) + quad % Gradient<l>::QUADS * 4;
#pragma unroll
            for (int j = 0; j < 4; ++j) follow(p + j, p + j + APART, APART, g.v[j], r.c, true);
        }
        const int unit = row_of(l) * TALL + threadIdx.x, b = at_bias(l) + unit;
        if (col_of(l) == 0 && threadIdx.x < TALL && unit < size(l)) {
            db = T(0);
            for (int i = threadIdx.x; i < THREADS; i += TALL) db += delta[i];
            follow(r.theta + b, r.slots + b, TOTAL, db, r.c, false);
        }
    }
    if constexpr (l == HIDDEN) follow_outputs(r);
    if constexpr (l > 1) {
        everyone(count, passed);
        if (ONCE) {
            add_once<l - 1, true>(r);
            everyone(count, passed);
        }
        backward<l - 1>(r, held, count, passed);
    }
}

// All steps of `used` examples. theta and slots are read and written, losses[t] gets J of step t; `count` is 0.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    train(const T* X, const T* Y, const T* weights, const int* order, int used, const T* coefficients, T* theta,
          T* slots, T* work, T* losses, unsigned* count) {
    Run r = {X, Y, weights, order, theta, slots, work, losses, used, coefficients, 0, 0, 0};
    unsigned passed = 0;
    Held held;
    held.ask_chunk(r, 0, 0);
    held.fetch(r);
    carry<1, false>(r);
    for (; r.at < used; ++r.step, r.at += BATCH) {
        r.B = min(BATCH, used - r.at);
        r.c = coefficients + r.step * COEFFICIENTS;
        const int row = blockIdx.x < r.B ? source_of(r, r.at + blockIdx.x) : 0;
        forward<1>(r, held, count, passed);
        outputs(r, row);
        everyone(count, passed);
        backward<HIDDEN>(r, held, count, passed);
    }
    __syncthreads();
    carry<1, true>(r);
}
