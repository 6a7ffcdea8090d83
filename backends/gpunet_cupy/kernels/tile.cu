// Products on the tiles that a network's hidden layers are cut into, one tile of each layer a thread block.
//
// A tile holds the weights from `wide(l)` inputs to TALL units of layer l. In shared memory lie, with rows of
// `pitch(l)` numbers: the weights, and the tile's inputs for a chunk of examples; with rows of DELTA_PITCH, the units' δ.
// A pitch is an odd multiple of 4, so that neighbouring rows begin in other banks. Numbers past a layer's end are 0.
//
// Macros: LAYERS, SIZES (inputs first), WIDE and ACTIVATIONS (of each layer; entry 0 is unused), CHUNK, THREADS (256 or 512).

#define TALL 32
#define DELTA_PITCH (TALL + 4)

struct __align__(16) Four {
    T v[4];
};

__device__ constexpr int size(int l) {
    constexpr int n[] = SIZES;
    return n[l];
}
__device__ constexpr int wide(int l) {
    constexpr int n[] = WIDE;
    return n[l];
}
__device__ constexpr int activation(int l) {
    constexpr int g[] = ACTIVATIONS;
    return g[l];
}
__device__ constexpr int stride(int l) { return (size(l) + 3) / 4 * 4; }  // of rows of layer l in global memory
__device__ constexpr int pitch(int l) { return wide(l) % 8 ? wide(l) : wide(l) + 4; }
__device__ constexpr int rows(int l) { return (size(l) + TALL - 1) / TALL; }
__device__ constexpr int cols(int l) { return (size(l - 1) + wide(l) - 1) / wide(l); }
__device__ inline int row_of(int l) { return blockIdx.x / cols(l); }
__device__ inline int col_of(int l) { return blockIdx.x % cols(l); }

__device__ inline Four four(const T* p) { return *reinterpret_cast<const Four*>(p); }
__device__ inline void put(T* p, const Four& x) { *reinterpret_cast<Four*>(p) = x; }
__device__ inline void add(Four& sum, const Four& x) {
    for (int j = 0; j < 4; ++j) sum.v[j] += x.v[j];
}

// Z ← inputs · Wᵀ for m examples: rows of Z are `stride(l)` apart, and begin with the tile's first unit.
// Each thread takes 4 units, 8 apart, of every 32nd example.
template <int l>
__device__ inline void product(const T* in, const T* W, T* Z, int m) {
    constexpr int LANES = TALL / 4, APART = THREADS / LANES, EACH = CHUNK / APART;
    const int n = threadIdx.x % LANES, e = threadIdx.x / LANES;
    T z[EACH][4] = {};
#pragma unroll 1
    for (int k = 0; k < wide(l); k += 4) {
        Four w[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) w[j] = four(W + (n + LANES * j) * pitch(l) + k);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            Four x = four(in + (e + APART * i) * pitch(l) + k);
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int h = 0; h < 4; ++h) z[i][j] += w[j].v[h] * x.v[h];
        }
    }
#pragma unroll
    for (int i = 0; i < EACH; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int unit = n + LANES * j, example = e + APART * i;
            if (example < m && row_of(l) * TALL + unit < stride(l)) Z[example * stride(l) + unit] = z[i][j];
        }
}

// dA ← δ · W for m examples: rows of dA are `stride(l − 1)` apart, and begin with the tile's first input.
// Each job is 4 inputs of 4 examples, a quarter of a chunk apart.
template <int l>
__device__ inline void product_back(const T* delta, const T* W, T* dA, int m) {
    constexpr int QUADS = wide(l) / 4, APART = CHUNK / 4;
    for (int job = threadIdx.x; job < min(m, APART) * QUADS; job += THREADS) {
        int e = job / QUADS, k = job % QUADS * 4;
        Four sum[4] = {};
#pragma unroll 1
        for (int n = 0; n < TALL; n += 4) {
            Four d[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) d[i] = four(delta + (e + APART * i) * DELTA_PITCH + n);
#pragma unroll
            for (int h = 0; h < 4; ++h) {
                Four w = four(W + (n + h) * pitch(l) + k);
#pragma unroll
                for (int i = 0; i < 4; ++i)
#pragma unroll
                    for (int j = 0; j < 4; ++j) sum[i].v[j] += d[i].v[h] * w.v[j];
            }
        }
        if (col_of(l) * wide(l) + k < stride(l - 1))
#pragma unroll
            for (int i = 0; i < 4; ++i)
                if (e + APART * i < m) put(dA + (e + APART * i) * stride(l - 1) + k, sum[i]);
    }
}

// dW = Σ δ inputsᵀ of a tile, spread over the threads' registers: each thread of a group takes 4 inputs of `EACH`
// units, and each group its share of the examples.
template <int l>
struct Gradient {
    static constexpr int QUADS = wide(l) / 4;
    static constexpr int EACH = QUADS <= 64 ? 8 : 16;
    static constexpr int GROUP = QUADS * (TALL / EACH), GROUPS = THREADS / GROUP;
    Four g[EACH];

    __device__ inline int input() const { return threadIdx.x % QUADS * 4; }
    __device__ inline int unit() const { return threadIdx.x % GROUP / QUADS * EACH; }
    __device__ inline int group() const { return threadIdx.x / GROUP; }

    __device__ inline void clear() {
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) g[i].v[j] = T(0);
    }

    __device__ inline void accumulate(const T* in, const T* delta, int m) {
        if (group() >= GROUPS) return;
#pragma unroll 4
        for (int e = group(); e < m; e += GROUPS) {
            Four x = four(in + e * pitch(l) + input());
#pragma unroll
            for (int i = 0; i < EACH; i += 4) {
                Four d = four(delta + e * DELTA_PITCH + unit() + i);
#pragma unroll
                for (int h = 0; h < 4; ++h)
#pragma unroll
                    for (int j = 0; j < 4; ++j) g[i + h].v[j] += d.v[h] * x.v[j];
            }
        }
    }

    // Lays the groups' shares side by side; afterwards `total` is dW from 4 inputs to a unit, one of TALL · QUADS.
    __device__ inline void lay_out(T* shares) const {
        if (group() >= GROUPS) return;
        T* here = shares + (group() * TALL + unit()) * wide(l) + input();
#pragma unroll
        for (int i = 0; i < EACH; ++i) put(here + i * wide(l), g[i]);
    }

    __device__ static inline Four total(const T* shares, int quad) {
        Four sum = four(shares + 4 * quad);
#pragma unroll
        for (int other = 1; other < GROUPS; ++other) add(sum, four(shares + other * TALL * wide(l) + 4 * quad));
        return sum;
    }
};
