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
// Macros beside those of tile.cu and rule.cu: BATCH (examples a step), LOSS; BYTES and WORK, what the host takes shared
// memory and `work` to need.

// Shared memory behind the tiles: δ of a chunk, and what one phase needs for itself.
__device__ constexpr int at_deltas() { return at_tile(LAYERS); }
__device__ constexpr int at_scratch() { return at_deltas() + CHUNK * DELTA_PITCH; }
static_assert(sizeof(T) * (at_scratch() + 32 * THREADS) == BYTES, "the host reserves another amount of shared memory");

// Global memory: partial sums of Z[l], A[l], partial sums of dA[l], δ[L − 1], δ[L], losses of the batch's examples.
__device__ constexpr int at_parts(int l) {
    int at = 0;
    for (int i = 1; i < l; ++i) at += cols(i) * BATCH * stride(i);
    return at;
}
__device__ constexpr int at_activations(int l) {
    int at = at_parts(LAYERS);
    for (int i = 1; i < l; ++i) at += BATCH * stride(i);
    return at;
}
__device__ constexpr int at_parts_back(int l) {
    int at = at_activations(LAYERS);
    for (int i = 1; i < l; ++i) at += rows(i + 1) * BATCH * stride(i);
    return at;
}
__device__ constexpr int at_delta_below() { return at_parts_back(HIDDEN); }
__device__ constexpr int at_delta() { return at_delta_below() + BATCH * stride(HIDDEN); }
__device__ constexpr int at_losses() { return at_delta() + BATCH * OUTPUTS; }
static_assert(at_losses() + BATCH == WORK, "the host makes room for another amount of work");

// Between hidden layers every sum is asked for by a whole row or column of tiles. Where the batch is large, each is added
// up once, in a phase of its own, rather than by all that ask.
#define ONCE (BATCH > 256)

// A[l] from the partial sums of Z[l], or δ[l], in the place of the first part, from those of dA[l].
template <int l, bool BACK>
__device__ inline void add_once(const Run& r) {
    constexpr int PARTS = BACK ? rows(l + 1) : cols(l), APART = BATCH * stride(l);
    T *parts = r.work + (BACK ? at_parts_back(l) : at_parts(l)), *A = r.work + at_activations(l);
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < r.B * stride(l) / 4; i += gridDim.x * THREADS) {
        Four sum = {}, a = {};
#pragma unroll
        for (int part = 0; part < PARTS; ++part) add(sum, four(parts + part * APART + 4 * i));
        if (BACK) a = four(A + 4 * i);
        for (int j = 0; j < 4; ++j) {
            int unit = 4 * i % stride(l) + j;
            if (BACK) sum.v[j] = backward_through(activation(l), sum.v[j], a.v[j]);
            else sum.v[j] = unit < size(l) ? activate(activation(l), sum.v[j] + r.theta[at_bias(l) + unit]) : T(0);
        }
        put((BACK ? parts : A) + 4 * i, sum);
    }
}

// The tile's columns of A[l − 1] for m examples: from the partial sums on the way forward, as kept on the way back.
template <int l, bool KEPT>
__device__ inline void take_activations(const Run& r, int first, int m) {
    constexpr int QUADS = wide(l) / 4;
    const T* b = r.theta + at_bias(l - 1);
#pragma unroll 2
    for (int job = threadIdx.x; job < m * QUADS; job += THREADS) {
        int e = job / QUADS, k = job % QUADS * 4, unit = col_of(l) * wide(l) + k;
        int at = (first + e) * stride(l - 1) + unit;
        Four a = {};
        if (unit < stride(l - 1)) {
            T* A = r.work + at_activations(l - 1) + at;
            if (KEPT) {
                a = four(A);
            } else {
#pragma unroll
                for (int part = 0; part < cols(l - 1); ++part)
                    add(a, four(r.work + at_parts(l - 1) + part * BATCH * stride(l - 1) + at));
                for (int j = 0; j < 4; ++j)
                    a.v[j] = unit + j < size(l - 1) ? activate(activation(l - 1), a.v[j] + b[unit + j]) : T(0);
                if (row_of(l) == 0) put(A, a);
            }
        }
        put(shared() + at_inputs(l) + e * pitch(l) + k, a);
    }
}

// δ[l] of the tile's units for m examples.
template <int l>
__device__ inline void take_deltas(const Run& r, int first, int m) {
#pragma unroll 2
    for (int job = threadIdx.x; job < m * (TALL / 4); job += THREADS) {
        int e = job / (TALL / 4), n = job % (TALL / 4) * 4, unit = row_of(l) * TALL + n;
        int at = (first + e) * stride(l) + unit;
        Four d = {};
        if (unit < stride(l)) {
            if constexpr (l == HIDDEN) {
                d = four(r.work + at_delta_below() + at);
            } else if (ONCE) {
                d = four(r.work + at_parts_back(l) + at);
            } else {
#pragma unroll
                for (int part = 0; part < rows(l + 1); ++part)
                    add(d, four(r.work + at_parts_back(l) + part * BATCH * stride(l) + at));
                Four a = four(r.work + at_activations(l) + at);
                for (int j = 0; j < 4; ++j) d.v[j] = backward_through(activation(l), d.v[j], a.v[j]);
            }
        }
        put(shared() + at_deltas() + e * DELTA_PITCH + n, d);
    }
}

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

// A[L − 1], outputs, losses, δ[L] and δ[L − 1]. Partial sums of an example are on their way while the one before it is
// worked on; `row` is where the block's first one lies in Y.
__device__ inline void outputs(const Run& r, int row) {
    using Top = Head<size(HIDDEN), OUTPUTS, activation(HIDDEN), activation(LAYERS), THREADS>;
    constexpr int EACH = Top::EACH, PARTS = cols(HIDDEN);
    if (blockIdx.x >= r.B) return;
    Top head;
    T parts[EACH][PARTS], y, weight;
    const auto ask = [&](int e) {
        y = head.output() < OUTPUTS ? r.Y[(long long)row * OUTPUTS + head.output()] : T(0);
        weight = r.weights ? r.weights[row] : T(1);
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int part = 0; part < PARTS; ++part) {
                const T* Z = r.work + at_parts(HIDDEN) + (part * BATCH + e) * stride(HIDDEN);
                parts[i][part] = head.real(i) ? Z[head.unit(i)] : T(0);
            }
        if (e + gridDim.x < r.B) row = source_of(r, r.at + e + gridDim.x);
    };
    ask(blockIdx.x);
    head.take(r.theta + at_weights(LAYERS), r.theta + at_bias(HIDDEN), r.theta + at_bias(LAYERS));
    for (int e = blockIdx.x; e < r.B; e += gridDim.x) {
        T z[EACH], a[EACH], L, y_now = y, weight_now = weight;
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            z[i] = T(0);
#pragma unroll
            for (int part = 0; part < PARTS; ++part) z[i] += parts[i][part];
        }
        if (e + gridDim.x < r.B) ask(e + gridDim.x);
        T delta = head.example(z, a, y_now, weight_now / T(r.B), shared() + at_scratch(), L);
#pragma unroll
        for (int i = 0; i < EACH; ++i)
            if (head.unit(i) < stride(HIDDEN)) {
                r.work[at_activations(HIDDEN) + e * stride(HIDDEN) + head.unit(i)] = a[i];
                r.work[at_delta_below() + e * stride(HIDDEN) + head.unit(i)] = z[i];
            }
        if (threadIdx.x < OUTPUTS) r.work[at_delta() + e * OUTPUTS + threadIdx.x] = delta;
        if (threadIdx.x == 0) r.work[at_losses() + e] = weight_now * L;
    }
}

// The last layer follows its gradient, and the step's loss is summed: one block takes one output and 32 units below.
// Blocks count from the last one, which is the first without a tile.
__device__ inline void follow_outputs(const Run& r) {
    constexpr int n = size(HIDDEN), GROUPS = (n + WARP - 1) / WARP, TOTAL = at_bias(LAYERS + 1);
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    T* sums = shared() + at_scratch();
    const T* delta = r.work + at_delta();
    for (int job = gridDim.x - 1 - blockIdx.x; job < OUTPUTS * GROUPS; job += gridDim.x) {
        int k = job / GROUPS, unit = job % GROUPS * WARP + lane;
        T g = T(0), db = T(0);
#pragma unroll 8
        for (int e = warp; e < r.B; e += WARPS) {
            T d = delta[e * OUTPUTS + k];
            if (unit < n) g += d * r.work[at_activations(HIDDEN) + e * stride(HIDDEN) + unit];
            db += d;
        }
        __syncthreads();
        sums[threadIdx.x] = g;
        if (lane == 0) sums[THREADS + warp] = db;
        __syncthreads();
        if (warp == 0) {
            g = db = T(0);
            for (int w = 0; w < WARPS; ++w) g += sums[w * WARP + lane], db += sums[THREADS + w];
            int W = at_weights(LAYERS) + k * n + unit, b = at_bias(LAYERS) + k;
            if (unit < n) follow(r.theta + W, r.slots + W, TOTAL, g, r.c, true);
            if (unit == 0) follow(r.theta + b, r.slots + b, TOTAL, db, r.c, false);
        }
    }
    if (blockIdx.x == gridDim.x - 1 && warp == WARPS - 1) {
        double J = 0.0;
        for (int e = lane; e < r.B; e += WARP) J += r.work[at_losses() + e];
        J = warp_sum(J);
        if (lane == 0) r.losses[r.step] = T(J / r.B);
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
