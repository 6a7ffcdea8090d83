// What thread blocks of resident.cu leave for each other in global memory, and how it is taken from there.
//
// Macros beside those of hold.cu: BYTES and WORK, what the host takes shared memory and `work` to need.

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
