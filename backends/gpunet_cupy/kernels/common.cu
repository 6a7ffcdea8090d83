// What all kernels share: the real type, activations, and one warp's work on the outputs of one example.
//
// Sources are joined, never included. Sizes and names of a plan are macros defined before, so that the compiler
// knows them; in all sources T (float or double), LEAK, SELU_ALPHA and SELU_SCALE.
// Arrays hold examples as rows, (m, n), and weights as (outputs, inputs).

#define IDENTITY 0
#define SIGMOID 1
#define TANH 2
#define RELU 3
#define LEAKY_RELU 4
#define ELU 5
#define SELU 6
#define SOFTPLUS 7
#define SOFTMAX 8

#define CROSS_ENTROPY 0
#define LOGISTIC 1
#define SQUARED_ERROR 2
#define ABSOLUTE_ERROR 3

#define WARP 32
#define ALL_LANES 0xffffffffu

// Shared memory of a block; how much of it, the launch says.
extern __shared__ __align__(16) unsigned char memory[];

// g(z). Comparisons are written so that NaN comes through.
__device__ inline T activate(int g, T z) {
    switch (g) {
        case SIGMOID: {
            T e = exp(-fabs(z));  // never overflows
            return (z >= T(0) ? T(1) : z < T(0) ? e : z) / (T(1) + e);
        }
        case TANH: return tanh(z);
        case RELU: return z < T(0) ? T(0) : z;
        case LEAKY_RELU: return z > T(0) ? z : T(LEAK) * z;
        case ELU: return z > T(0) ? z : expm1(z);
        case SELU: return T(SELU_SCALE) * (z > T(0) ? z : T(SELU_ALPHA) * expm1(z));
        case SOFTPLUS: return (z > T(0) ? z : T(0)) + log1p(exp(-fabs(z)));
        default: return z;
    }
}

// d g′(z), from a = g(z).
__device__ inline T backward_through(int g, T d, T a) {
    switch (g) {
        case SIGMOID: return d * a * (T(1) - a);
        case TANH: return d * (T(1) - a * a);
        case RELU: return a > T(0) ? d : T(0);
        case LEAKY_RELU: return a > T(0) ? d : T(LEAK) * d;
        case ELU: return a > T(0) ? d : d * (a + T(1));
        case SELU: return d * (a > T(0) ? T(SELU_SCALE) : a + T(SELU_SCALE * SELU_ALPHA));
        case SOFTPLUS: return -d * expm1(-a);
        default: return d;
    }
}

// ∂L/∂z of one output with a = g(z), for losses that take outputs one by one. The natural pairs have a − y (C9).
__device__ inline T loss_through(int g, int loss, T a, T y) {
    T e = a - y;
    if (loss == LOGISTIC) return e;
    if (loss == SQUARED_ERROR) return backward_through(g, e, a);
    return backward_through(g, e > T(0) ? T(1) : e < T(0) ? T(-1) : e, a);
}

// L of one output, likewise; z is what a logistic loss is exact from.
__device__ inline T loss_of(int loss, T z, T a, T y) {
    T e = a - y;
    if (loss == LOGISTIC) return (z > T(0) ? z : T(0)) - z * y + log1p(exp(-fabs(z)));
    return loss == SQUARED_ERROR ? T(0.5) * e * e : fabs(e);
}

// Sums and maxima over the lanes of a warp, in an order that never changes; every lane gets the result.
template <class V>
__device__ inline V warp_sum(V x) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(ALL_LANES, x, offset);
    return x;
}

__device__ inline T warp_max(T x) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) x = fmax(x, __shfl_xor_sync(ALL_LANES, x, offset));
    return x;
}

// The outputs of one example, by one warp: z ← δ = scale ∂L/∂z, where a = g(z + b); returns L in every lane.
// The natural pairs take L from z, which stays exact where a has rounded to 0 or 1.
__device__ inline T output_delta(int g, int loss, int n, T* z, const T* b, const T* y, T scale) {
    int lane = threadIdx.x % WARP;
    T L = T(0);
    if (loss == CROSS_ENTROPY) {
        T top = z[0] + b[0], total = T(0), mass = T(0);
        for (int k = lane; k < n; k += WARP) top = fmax(top, z[k] + b[k]);
        top = warp_max(top);
        for (int k = lane; k < n; k += WARP) {
            T x = z[k] + b[k] - top;
            total += exp(x);
            mass += y[k];
            L -= y[k] * x;
        }
        total = warp_sum(total);
        for (int k = lane; k < n; k += WARP) z[k] = (exp(z[k] + b[k] - top) / total - y[k]) * scale;
        return warp_sum(L) + warp_sum(mass) * log(total);
    }
    for (int k = lane; k < n; k += WARP) {
        T x = z[k] + b[k], a = activate(g, x);
        L += loss_of(loss, x, a, y[k]);
        z[k] = loss_through(g, loss, a, y[k]) * scale;
    }
    return warp_sum(L);
}
