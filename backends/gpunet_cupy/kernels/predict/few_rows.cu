// The forward pass of a few rows, from the first layer to the outputs, in one cooperative launch.
//
// A warp computes one unit of a hidden layer for some of the rows; a grid barrier follows. The last layer is
// computed row by row, one thread block for each. Sizes and activations are arguments: one compiled module is
// for all networks.
//
// Macros: MAX_LAYERS, THREADS per thread block, ROWS that a warp computes at a time where there are several, and
// INPUT_BYTES, room for rows that are passed by value.
#include "common/activations.cuh"
#include "common/grid_barrier.cuh"
#include "common/shared_memory.cuh"
#include "common/warp.cuh"
#include "predict/finite.cuh"

// A network with its parameters; it and the kernel's parameters are NumPy dtypes in gpunet_cupy/predict.py.
struct Network {
    const T* W[MAX_LAYERS];  // (units, inputs)
    const T* b[MAX_LAYERS];
    int sizes[MAX_LAYERS + 1];
    int activations[MAX_LAYERS];
    int layers;
    int stride;  // values from one row of the hidden layers to the next, in the workspace
};

// Rows that come with the launch itself: no copy to the device goes before it.
struct __align__(16) Inputs {
    T values[INPUT_BYTES / sizeof(T)];
};
static_assert(sizeof(Network) + sizeof(Inputs) + 64 <= 4096, "parameters of a kernel have at most 4096 bytes");

// Rows of inputs, or of a layer's activations.
struct Rows {
    const T* values;
    int stride;
};

// V values that are loaded together.
template <int V>
struct __align__(V == 1 ? sizeof(T) : 16) Values {
    T v[V];
};

// p[k] …, or zeros where k is not below n. Without a branch, so that many loads are on their way at once.
template <int V>
__device__ inline Values<V> load(const T* p, int k, int n) {
    Values<V> x = *reinterpret_cast<const Values<V>*>(p + (k < n ? k : 0));
#pragma unroll
    for (int j = 0; j < V; ++j) x.v[j] = k < n ? x.v[j] : T(0);
    return x;
}

__device__ inline bool is_aligned(const T* p, int stride) {
    return reinterpret_cast<size_t>(p) % 16 == 0 && stride % 4 == 0;
}

// Σ_k w[k] x[k] for R rows x, of which `count` are there; in every lane of a warp.
template <int R, int V>
__device__ inline void dot_products(const T* w, Rows x, int count, int n, T (&sum)[R]) {
    constexpr int LOADS = R == 1 ? 8 : 2;  // of each row, before the first value is used
#pragma unroll
    for (int r = 0; r < R; ++r) sum[r] = T(0);
    for (int first = threadIdx.x % WARP * V; first < n; first += LOADS * WARP * V) {
        Values<V> weights[LOADS], inputs[R][LOADS];
#pragma unroll
        for (int i = 0; i < LOADS; ++i) {
            const int k = first + i * WARP * V;
            weights[i] = load<V>(w, k, n);
#pragma unroll
            for (int r = 0; r < R; ++r)
                inputs[r][i] = load<V>(x.values + (long long)min(r, count - 1) * x.stride, k, n);
        }
#pragma unroll
        for (int i = 0; i < LOADS; ++i)
#pragma unroll
            for (int r = 0; r < R; ++r)
#pragma unroll
                for (int j = 0; j < V; ++j) sum[r] += weights[i].v[j] * inputs[r][i].v[j];
    }
#pragma unroll
    for (int r = 0; r < R; ++r) sum[r] = warp_sum(sum[r]);
}

// The same for unit u of layer l, four values at a time where they are aligned.
template <int R>
__device__ inline void unit_products(const Network& network, int l, int u, Rows x, int count, T (&sum)[R]) {
    const int n = network.sizes[l];
    const T* w = network.W[l] + (long long)u * n;
    if (n % 4 == 0 && is_aligned(network.W[l], 0) && is_aligned(x.values, x.stride)) {
        dot_products<R, 4>(w, x, count, n, sum);
    } else {
        dot_products<R, 1>(w, x, count, n, sum);
    }
}

// A[l + 1] of m rows, R of them at a time.
template <int R>
__device__ inline void hidden_layer(const Network& network, int l, Rows x, int m, T* A, int* not_finite) {
    const int units = network.sizes[l + 1], lane = threadIdx.x % WARP;
    const int warps = gridDim.x * (THREADS / WARP);
    for (int job = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP; job < units * ((m + R - 1) / R); job += warps) {
        const int u = job % units, first = job / units * R, count = min(R, m - first);
        T sum[R];
        unit_products<R>(network, l, u, {x.values + (long long)first * x.stride, x.stride}, count, sum);
        T z = sum[0];
#pragma unroll
        for (int r = 1; r < R; ++r) z = lane == r ? sum[r] : z;
        z += network.b[l][u];
        if (lane < count) {
            if (l == 0) report_not_finite(z, not_finite);
            A[(long long)(first + lane) * network.stride + u] = activate(network.activations[l], z);
        }
    }
}

// The outputs of one row, by the whole thread block.
__device__ inline void output_row(const Network& network, Rows x, int row, T* out, int* not_finite) {
    const int l = network.layers - 1, outputs = network.sizes[l + 1], g = network.activations[l];
    const int lane = threadIdx.x % WARP;
    T* z = reinterpret_cast<T*>(shared_memory);
    for (int k = threadIdx.x / WARP; k < outputs; k += THREADS / WARP) {
        T sum[1];
        unit_products<1>(network, l, k, {x.values + (long long)row * x.stride, x.stride}, 1, sum);
        if (lane == 0) {
            z[k] = sum[0] + network.b[l][k];
            if (l == 0) report_not_finite(z[k], not_finite);
        }
    }
    __syncthreads();
    T top = z[0], total = T(0);
    if (g == SOFTMAX) {  // each warp for itself
        for (int k = lane; k < outputs; k += WARP) top = fmax(top, z[k]);
        top = warp_max(top);
        for (int k = lane; k < outputs; k += WARP) total += exp(z[k] - top);
        total = warp_sum(total);
    }
    for (int k = threadIdx.x; k < outputs; k += THREADS)
        out[(long long)row * outputs + k] = g == SOFTMAX ? exp(z[k] - top) / total : activate(g, z[k]);
    __syncthreads();  // before the next row's z
}

// out (m, n[L]) ← A[L] of the rows X (m, n[0]), or of `inputs` where X is a null pointer; *not_finite ← 1 if they
// are not all finite. The workspace has room for two hidden layers: 2 m stride values. counters[turn] is 0, and so
// is the other one afterwards, for the next launch.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    few_rows(const __grid_constant__ Network network, const __grid_constant__ Inputs inputs, const T* X, int m,
             T* workspace, T* out, int* not_finite, unsigned* counters, int turn) {
    unsigned passed = 0;
    Rows x = {X ? X : inputs.values, network.sizes[0]};
    if (blockIdx.x == 0 && threadIdx.x == 0) counters[1 - turn] = 0;
    for (int l = 0; l < network.layers - 1; ++l) {
        T* A = workspace + (long long)(l % 2) * m * network.stride;
        if (m == 1) {
            hidden_layer<1>(network, l, x, m, A, not_finite);
        } else {
            hidden_layer<ROWS>(network, l, x, m, A, not_finite);
        }
        grid_barrier(counters + turn, passed);
        x = {A, network.stride};
    }
    for (int row = blockIdx.x; row < m; row += gridDim.x) output_row(network, x, row, out, not_finite);
}
