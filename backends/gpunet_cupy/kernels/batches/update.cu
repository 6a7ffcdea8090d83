// The end of a step: the update of all parameters, and the loss of the batch.
//
// The gradient of the first PRODUCTS layers' weights comes as partial sums: for each layer, up to PARTIALS arrays
// (n[l], n[l − 1]). All other gradients come as partial sums too, `sums` of them: `sums_W`, of the last layer's
// weights where it has no product, and `sums_b`, of all biases. The coefficients of the step are row *base + offset
// of `coefficients`.
//
// Macros: those of network.cuh, update.cuh and parts.cuh; PRODUCTS, PARTIALS, THREADS per thread block, CLIP_NORM (0:
// gradients are not clipped).
#include "common/parameters.cuh"
#include "common/parts.cuh"
#include "common/shared_memory.cuh"
#include "common/update.cuh"
#include "common/values.cuh"

#define SUM_WIDTH 32  // parameters per thread block whose gradient comes in `sums`
#define OUTPUT_WEIGHTS (weights_at(LAYERS + 1) - weights_at(PRODUCTS + 1))
#define BIASES (parameters() - weights_at(LAYERS + 1))

__device__ constexpr int vector_length() {
    for (int l = 0; l < PRODUCTS; ++l)
        if (size(l) % 4) return 1;
    return 4;
}
// Weights per thread, and how many thread blocks each kind of parameter takes.
#define VECTOR (vector_length())
#define WEIGHT_BLOCKS ((weights_at(PRODUCTS + 1) / VECTOR + THREADS - 1) / THREADS)
#define SUM_BLOCKS ((OUTPUT_WEIGHTS + BIASES + SUM_WIDTH - 1) / SUM_WIDTH)
static_assert(WEIGHT_BLOCKS + SUM_BLOCKS == PARAMETER_BLOCKS, "the host launches another number of thread blocks");

using Vector = Values<VECTOR>;

// The parts of the weights: of each layer with a product as right factor, (n[l], PAIRS, pitch), and from the second
// layer on as left factor for the backward pass, (PAIRS, stored_pitch(n[l]), pitch).
__device__ constexpr long long right_at(int l) {
    long long at = 0;
    for (int i = 1; i < l; ++i) at += (long long)size(i) * stored_row(stored_pitch(size(i - 1)));
    return at;
}
__device__ constexpr long long left_at(int l) {
    long long at = right_at(PRODUCTS + 1);
    for (int i = 2; i < l; ++i) at += (long long)stored_pitch(size(i)) * stored_row(stored_pitch(size(i - 1)));
    return at;
}

// Store the parts of VECTOR weights of layer l, from weight i of it on.
template <int l>
__device__ inline void store_weights(Stored* parts, int i, const T (&w)[VECTOR]) {
#if PAIRS
    constexpr int pitch = stored_pitch(size(l - 1));
    const int unit = i / size(l - 1), input = i % size(l - 1);
    store_parts<false>(parts + right_at(l) + (long long)unit * stored_row(pitch) + input, pitch, w);
    if (l > 1)
        store_parts<true>(parts + left_at(l) + (long long)unit * pitch + input,
                          (long long)stored_pitch(size(l)) * pitch, w);
#endif
}

// Calls f.run<l>(i) for weight i of layers 1, 2, … with products, l its layer and i its place there.
template <int l, class F>
__device__ inline void with_layer(int i, const F& f) {
    if constexpr (l <= PRODUCTS) {
        constexpr int n = size(l) * size(l - 1);
        if (i < n) f.template run<l>(i);
        else with_layer<l + 1>(i - n, f);
    }
}

// The sum of the partial sums of VECTOR weights' gradient.
template <int l>
__device__ inline Vector weight_gradient(const T* gradients, int partials, int i) {
    const T* from = gradients + (long long)PARTIALS * weights_at(l) + i;
    Vector g = load_values<VECTOR>(from);
#pragma unroll 5
    for (int p = 1; p < partials; ++p) {
        const Vector next = load_values<VECTOR>(from + (long long)p * size(l) * size(l - 1));
#pragma unroll
        for (int j = 0; j < VECTOR; ++j) g.v[j] += next.v[j];
    }
    return g;
}

// The gradient of the parameter of the thread's lane whose gradient is in `sums`, complete in the first SUM_WIDTH
// threads: each row of SUM_WIDTH threads adds up some of the partial sums.
__device__ inline T summed_gradient(const T* sums_W, const T* sums_b, int sums, int i) {
    T* shared = reinterpret_cast<T*>(shared_memory);
    const int row = threadIdx.x / SUM_WIDTH, rows = THREADS / SUM_WIDTH;
    const bool weight = i < OUTPUT_WEIGHTS;
    const T* from = weight ? sums_W + i : sums_b + (i - OUTPUT_WEIGHTS);
    const int stride = weight ? OUTPUT_WEIGHTS : BIASES;
    T sum = T(0);
    if (i < OUTPUT_WEIGHTS + BIASES)
#pragma unroll 4
        for (int p = row; p < sums; p += rows) sum += from[(long long)p * stride];
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (int other = 1; other < rows && row == 0; ++other) sum += shared[other * SUM_WIDTH + threadIdx.x];
    return sum;
}

// The sum of f(i) for i < n, in all threads of a thread block. Shared memory holds a double per thread.
template <class F>
__device__ inline double block_sum(int n, const F& f) {
    double* partial = reinterpret_cast<double*>(shared_memory);
    double sum = 0.0;
#pragma unroll 8
    for (int i = threadIdx.x; i < n; i += THREADS) sum += f(i);
    __syncthreads();  // shared memory may still be read
    partial[threadIdx.x] = sum;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {  // THREADS is a power of two
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
    }
    return partial[0];
}

struct UpdateWeights {
    T *theta, *slots;
    const T* gradients;
    int partials;
    const T* c;
    T scale;
    Stored* parts;

    template <int l>
    __device__ inline void run(int i) const {
        const int at = weights_at(l) + i;
        Vector w = load_values<VECTOR>(theta + at), slot[SLOTS ? SLOTS : 1];
        const Vector g = weight_gradient<l>(gradients, partials, i);
#pragma unroll
        for (int s = 0; s < SLOTS; ++s)
#pragma unroll
            for (int j = 0; j < VECTOR; ++j) slot[s].v[j] = slots[(long long)s * parameters() + at + j];
#pragma unroll
        for (int j = 0; j < VECTOR; ++j)
            apply_update(&w.v[j], &slot[0].v[j], VECTOR, scale * penalized(g.v[j], w.v[j], c), c, true);
        store_values(theta + at, w.v);
#pragma unroll
        for (int s = 0; s < SLOTS; ++s)
#pragma unroll
            for (int j = 0; j < VECTOR; ++j) slots[(long long)s * parameters() + at + j] = slot[s].v[j];
        store_weights<l>(parts, i, w.v);
    }
};

// All parameters, and losses[step] ← J, the sum of `losses_count` sums of losses over the number of examples, and the
// penalty. PARAMETER_BLOCKS thread blocks, and one for the loss. With CLIP_NORM, `squares` are the sums of squares that
// `square_gradient` wrote; if PENALIZED, `weight_squares` are those that `square_weights` wrote.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    update(T* theta, T* slots, const T* gradients, int partials, const T* sums_W, const T* sums_b, int sums,
           const double* squares, const double* weight_squares, const T* coefficients, const int* base, int offset,
           Stored* parts, const T* loss_sums, int losses_count, int examples, T* losses) {
    const int step = *base + offset;
    const T* c = coefficients + step * COEFFICIENTS;
    if (blockIdx.x == PARAMETER_BLOCKS) {
        double J = block_sum(losses_count, [&](int i) { return double(loss_sums[i]); }) / examples;
        if (PENALIZED)
            J += 0.5 * penalty_strength(c) * block_sum(PARAMETER_BLOCKS, [&](int i) { return weight_squares[i]; });
        if (threadIdx.x == 0) losses[step] = T(J);
        return;
    }
    T scale = T(1);
    if (CLIP_NORM > 0) {
        const T norm = T(sqrt(block_sum(PARAMETER_BLOCKS, [&](int i) { return squares[i]; })));
        if (norm > T(CLIP_NORM)) scale = T(CLIP_NORM) / norm;
        __syncthreads();
    }
    if (blockIdx.x < WEIGHT_BLOCKS) {
        with_layer<1>((blockIdx.x * THREADS + threadIdx.x) * VECTOR,
                      UpdateWeights{theta, slots, gradients, partials, c, scale, parts});
        return;
    }
    const int i = (blockIdx.x - WEIGHT_BLOCKS) * SUM_WIDTH + threadIdx.x % SUM_WIDTH;
    const T g = summed_gradient(sums_W, sums_b, sums, i);
    if (threadIdx.x < SUM_WIDTH && i < OUTPUT_WEIGHTS + BIASES) {
        const int at = weights_at(PRODUCTS + 1) + i;
        const bool weight = i < OUTPUT_WEIGHTS;
        const T whole = weight ? penalized(g, theta[at], c) : g;
        apply_update(theta + at, slots + at, parameters(), scale * whole, c, weight);
    }
}

struct SquareGradient {
    const T *theta, *gradients;
    int partials;
    const T* c;
    double* sum;

    template <int l>
    __device__ inline void run(int i) const {
        const Vector g = weight_gradient<l>(gradients, partials, i);
        for (int j = 0; j < VECTOR; ++j) {
            const T whole = PENALIZED ? penalized(g.v[j], theta[weights_at(l) + i + j], c) : g.v[j];
            *sum += double(whole) * whole;
        }
    }
};

// squares[thread block] ← the sum of the squares of the gradient of the parameters that this thread block updates.
// PARAMETER_BLOCKS thread blocks.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    square_gradient(const T* theta, const T* gradients, int partials, const T* sums_W, const T* sums_b, int sums,
                    double* squares, const T* coefficients, const int* base, int offset) {
    const T* c = coefficients + (*base + offset) * COEFFICIENTS;
    double square = 0.0;
    if (blockIdx.x < WEIGHT_BLOCKS) {
        with_layer<1>((blockIdx.x * THREADS + threadIdx.x) * VECTOR,
                      SquareGradient{theta, gradients, partials, c, &square});
    } else {
        const int i = (blockIdx.x - WEIGHT_BLOCKS) * SUM_WIDTH + threadIdx.x % SUM_WIDTH;
        T g = summed_gradient(sums_W, sums_b, sums, i);
        if (threadIdx.x < SUM_WIDTH && i < OUTPUT_WEIGHTS + BIASES) {
            if (PENALIZED && i < OUTPUT_WEIGHTS) g = penalized(g, theta[weights_at(PRODUCTS + 1) + i], c);
            square = double(g) * g;
        }
    }
    const double total = block_sum(THREADS, [&](int) { return square; });
    if (threadIdx.x == 0) squares[blockIdx.x] = total;
}

// squares[thread block] ← the sum of the squares of the weights in this thread block's share of them. PARAMETER_BLOCKS
// thread blocks.
extern "C" __global__ void __launch_bounds__(THREADS) square_weights(const T* theta, double* squares) {
    constexpr int n = weights_at(LAYERS + 1), SHARE = (n + PARAMETER_BLOCKS - 1) / PARAMETER_BLOCKS;
    const T* from = theta + (long long)blockIdx.x * SHARE;
    const long long left = n - (long long)blockIdx.x * SHARE;
    const double sum = block_sum(left < SHARE ? int(left) : SHARE, [&](int i) { return double(from[i]) * from[i]; });
    if (threadIdx.x == 0) squares[blockIdx.x] = sum;
}

struct StoreWeights {
    const T* theta;
    Stored* parts;

    template <int l>
    __device__ inline void run(int i) const {
        store_weights<l>(parts, i, load_values<VECTOR>(theta + weights_at(l) + i).v);
    }
};

// The parts of all weights with products, at the start of an epoch. WEIGHT_BLOCKS thread blocks.
extern "C" __global__ void __launch_bounds__(THREADS) split_weights(const T* theta, Stored* parts) {
    with_layer<1>((blockIdx.x * THREADS + threadIdx.x) * VECTOR, StoreWeights{theta, parts});
}

// *base ← *base + steps, the last node of a CUDA graph of `steps` steps.
extern "C" __global__ void advance_base(int* base, int steps) { *base += steps; }
