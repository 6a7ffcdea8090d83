// What a thread block holds of a network from the first step of a call to the last: its tiles (tile.cu), and the chunk of
// X that it needs next.
//
// Macros beside those of tile.cu and rule.cu: BATCH, examples a step.

#define HIDDEN (LAYERS - 1)
#define OUTPUTS (size(LAYERS))
#define WARPS (THREADS / WARP)

// Where W[l] and b[l] lie in theta.
__device__ constexpr int at_weights(int l) {
    int at = 0;
    for (int i = 1; i < l; ++i) at += size(i) * size(i - 1);
    return at;
}
__device__ constexpr int at_bias(int l) {
    int at = at_weights(LAYERS + 1);
    for (int i = 1; i < l; ++i) at += size(i);
    return at;
}

// Where in shared memory lie the weights, slots and inputs of each layer's tile.
__device__ constexpr int at_tile(int l) {
    int at = 0;
    for (int i = 1; i < l; ++i) at += pitch(i) * (TALL * (1 + SLOTS) + CHUNK);
    return at;
}
__device__ constexpr int at_inputs(int l) { return at_tile(l) + pitch(l) * TALL * (1 + SLOTS); }

// What all phases know.
struct Run {
    const T *X, *Y, *weights;
    const int* order;
    T *theta, *slots, *work, *losses;
    int used;
    const T* c;       // coefficients of this step
    int step, at, B;  // its number, its first position in the order, its examples
};

__device__ inline int source_of(const Run& r, int position) { return r.order ? r.order[position] : position; }

__device__ inline T* shared() { return reinterpret_cast<T*>(memory); }

// One chunk of the tile's columns of X, on its way through registers.
struct Held {
    static constexpr int QUADS = wide(1) / 4, EACH = (CHUNK * QUADS + THREADS - 1) / THREADS;
    int row[EACH], expected;
    Four x[EACH];

    __device__ inline int example(int i) const { return (threadIdx.x + i * THREADS) / QUADS; }
    __device__ inline int input(int i) const {
        return col_of(1) * wide(1) + (threadIdx.x + i * THREADS) % QUADS * 4;
    }

    // Which rows of X are next: m examples from a position on. Places past them get one that nobody uses.
    __device__ inline void ask(const Run& r, int position, int m) {
        expected = m;
        if (m <= 0) return;
#pragma unroll
        for (int i = 0; i < EACH; ++i) row[i] = source_of(r, position + min(example(i), m - 1));
    }

    // The chunk of step t that begins with its example `first`.
    __device__ inline void ask_chunk(const Run& r, int step, int first) {
        int at = step * BATCH, B = min(BATCH, r.used - at);
        ask(r, at + first, min(CHUNK, B - first));
    }

    // Now the rows themselves.
    __device__ inline void fetch(const Run& r) {
        if (expected <= 0) return;
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            const T* X = r.X + (long long)row[i] * size(0);
            const int k = input(i);
            x[i] = {};
            if (size(0) % 4 == 0) {
                if (k < size(0)) x[i] = four(X + k);
            } else {
                for (int j = 0; j < 4; ++j) x[i].v[j] = k + j < size(0) ? X[k + j] : T(0);
            }
        }
    }

    __device__ inline void put_down(T* in) const {
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            int job = threadIdx.x + i * THREADS;
            if (job < CHUNK * QUADS) put(in + job / QUADS * pitch(1) + job % QUADS * 4, x[i]);
        }
    }
};

// The tiles' weights and slots, from theta or back to it.
template <int l, bool BACK>
__device__ inline void carry(const Run& r) {
    if (blockIdx.x < rows(l) * cols(l)) {
        for (int i = threadIdx.x; i < (1 + SLOTS) * TALL * wide(l); i += THREADS) {
            int slot = i / (TALL * wide(l)), n = i / wide(l) % TALL, k = i % wide(l);
            int unit = row_of(l) * TALL + n, input = col_of(l) * wide(l) + k;
            bool real = unit < size(l) && input < size(l - 1);
            T* here = shared() + at_tile(l) + (slot * TALL + n) * pitch(l) + k;
            T* there = slot ? r.slots + (slot - 1) * at_bias(LAYERS + 1) : r.theta;
            there += at_weights(l) + unit * size(l - 1) + input;
            if (!BACK) {
                *here = real ? *there : T(0);
            } else if (real) {
                *there = *here;
            }
        }
    }
    if constexpr (l < HIDDEN) carry<l + 1, BACK>(r);
}
