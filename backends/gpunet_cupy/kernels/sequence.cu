// Exact SGD, the part that must run step by step: the steps of a block of single examples, for one hidden layer.
//
// Within a block of examples the first layer's weights are W = W₀ − Σ_i α_i δ_i x_iᵀ, so that step j needs only
//     z_j = P_j − Σ_{i<j} α_i G_ij δ_i,    P = X W₀ᵀ,  G = X Xᵀ.
// One thread block does it. Thread n of the first half owns hidden unit n: its bias and its column of the last layer's
// weights stay in registers. Each warp sums its units' share of the outputs, all warps meet once, and then each finds
// δ[L] for itself: lane k has output k. The other half of the threads works ahead: it adds up z for the step after next,
// but for the two terms that are not known yet.
//
// Macros beside those of hold.cu: LOSS.

#define HALF (THREADS / 2)
#define ACTIVE ((size(1) + WARP - 1) / WARP)  // warps that have units
#define LANES (OUTPUTS > 8 ? 16 : OUTPUTS > 4 ? 8 : OUTPUTS > 2 ? 4 : OUTPUTS)  // a power of 2, up to 16

struct Sequence {
    T D[CHUNK][HALF];  // P at first; row i becomes δ[1] of example i
    T c[CHUNK][CHUNK];  // row j: −α_i G_ij
    T ahead[2][HALF];
    T part[2][HALF / WARP][LANES];
    T z[CHUNK][OUTPUTS];  // of the losses, found when all steps are done
    T Y[CHUNK][OUTPUTS];
    T weight[CHUNK], rate[CHUNK];
    T zero[OUTPUTS];
    T W[OUTPUTS][HALF], b[HALF], b_out[OUTPUTS];  // W[2], b[1], b[2], kept from block to block
};

// Sums over the lanes of a warp: lane i gets that of v[i mod 2 half]. Each half of the lanes sends what the other keeps.
template <int half>
__device__ inline T warp_sums(T* v) {
    if constexpr (half == 0) return v[0];
    const bool upper = threadIdx.x & half;
#pragma unroll
    for (int i = 0; i < half; ++i) {
        T mine = upper ? v[half + i] : v[i], other = upper ? v[i] : v[half + i];
        v[i] = mine + __shfl_xor_sync(ALL_LANES, other, half);
    }
    return warp_sums<half / 2>(v);
}

// ∂L/∂z of output k in the lanes k, k + LANES, …; 0 in lanes without an output.
__device__ inline T lane_delta(T z, T y) {
    const bool real = threadIdx.x % LANES < OUTPUTS;
    T d;
    if (LOSS == CROSS_ENTROPY) {
        T first = __shfl_sync(ALL_LANES, z, 0), top = real ? z : first;
#pragma unroll
        for (int offset = LANES / 2; offset > 0; offset /= 2) top = fmax(top, __shfl_xor_sync(ALL_LANES, top, offset));
        T e = real ? exp(z - top) : T(0), total = e;
#pragma unroll
        for (int offset = LANES / 2; offset > 0; offset /= 2) total += __shfl_xor_sync(ALL_LANES, total, offset);
        d = e / total - y;
    } else {
        d = loss_through(activation(2), LOSS, activate(activation(2), z), y);
    }
    return real ? d : T(0);
}

// Row j of `D` plus what the steps before `known` add to it.
__device__ inline T worked_ahead(const Sequence& s, int j, int known, int n) {
    T sum[4] = {s.D[j][n]};
    int i = 0;
    for (; i + 4 <= known; i += 4)
#pragma unroll
        for (int h = 0; h < 4; ++h) sum[h] += s.c[j][i + h] * s.D[i + h][n];
    for (; i < known; ++i) sum[0] += s.c[j][i] * s.D[i][n];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

// The steps of `count` examples from position `begin` on. P and E (count, stride(1)), G (CHUNK, CHUNK), of which the part
// below the diagonal is read; E gets −α δ[1].
__device__ inline void sequence(const Run& r, int begin, int count, const T* P, const T* G, T* E) {
    Sequence& s = *reinterpret_cast<Sequence*>(memory);
    const int n = threadIdx.x % HALF, lane = threadIdx.x % WARP, k = lane % LANES;
    const bool ours = threadIdx.x < HALF, real = n < size(1);
    for (int i = threadIdx.x; i < count; i += THREADS) {
        long long source = source_of(r, begin + i);
        s.weight[i] = r.weights ? r.weights[source] : T(1);
        s.rate[i] = r.c[begin + i];
    }
    for (int i = threadIdx.x; i < count * OUTPUTS; i += THREADS)
        s.Y[i / OUTPUTS][i % OUTPUTS] = r.Y[source_of(r, begin + i / OUTPUTS) * OUTPUTS + i % OUTPUTS];
    for (int i = threadIdx.x; i < OUTPUTS; i += THREADS) s.zero[i] = T(0);
    for (int i = threadIdx.x / HALF; i < count; i += 2) s.D[i][n] = real ? P[i * stride(1) + n] : T(0);
    for (int i = threadIdx.x; i < count * CHUNK; i += THREADS)
        if (i % CHUNK < i / CHUNK) (&s.c[0][0])[i] = -r.c[begin + i % CHUNK] * G[i];
    T W[OUTPUTS], b = s.b[n], b_out = k < OUTPUTS ? s.b_out[k] : T(0);
#pragma unroll
    for (int i = 0; i < OUTPUTS; ++i) W[i] = s.W[i][n];
    __syncthreads();
    if (ours)
        for (int j = 0; j < 2 && j < count; ++j) s.ahead[j][n] = s.D[j][n];
    T before = T(0), last = T(0);  // δ[1] of the two steps before this one
    for (int j = 0; j < count; ++j) {
        T a = T(0);
        if (ours && n / WARP < ACTIVE) {
            T z = s.ahead[j % 2][n] + b;
            if (j > 1) z += s.c[j][j - 2] * before;
            if (j > 0) z += s.c[j][j - 1] * last;
            a = real ? activate(activation(1), z) : T(0);
            T out[LANES];
#pragma unroll
            for (int i = 0; i < LANES; ++i) out[i] = i < OUTPUTS ? W[i < OUTPUTS ? i : 0] * a : T(0);
            T sum = warp_sums<LANES / 2>(out);
#pragma unroll
            for (int offset = LANES; offset < WARP; offset *= 2) sum += __shfl_xor_sync(ALL_LANES, sum, offset);
            if (lane < LANES) s.part[j % 2][n / WARP][lane] = sum;
        }
        __syncthreads();
        if (ours && n / WARP < ACTIVE) {
            T z = b_out;
#pragma unroll
            for (int warp = 0; warp < ACTIVE; ++warp) z += s.part[j % 2][warp][k];
            if (threadIdx.x < OUTPUTS) s.z[j][threadIdx.x] = z;
            T delta = s.weight[j] * lane_delta(z, k < OUTPUTS ? s.Y[j][k] : T(0)), d = T(0);
            const T rate = s.rate[j];
            b_out -= rate * delta;
#pragma unroll
            for (int i = 0; i < OUTPUTS; ++i) {
                T up = __shfl_sync(ALL_LANES, delta, i);
                d += W[i] * up;
                W[i] -= rate * up * a;
            }
            before = last;
            last = backward_through(activation(1), d, a);
            b -= rate * last;
            s.D[j][n] = last;
        } else if (!ours && n / WARP < ACTIVE && j + 2 < count) {
            s.ahead[j % 2][n] = worked_ahead(s, j + 2, j, n);
        }
    }
    if (ours) {
#pragma unroll
        for (int i = 0; i < OUTPUTS; ++i) s.W[i][n] = W[i];
        s.b[n] = b;
        if (n < OUTPUTS) s.b_out[n] = b_out;
    }
    __syncthreads();
    for (int i = threadIdx.x / HALF; i < count; i += 2)
        if (real) E[i * stride(1) + n] = -s.rate[i] * s.D[i][n];
    for (int i = threadIdx.x / WARP; i < count; i += WARPS) {
        T L = output_delta(activation(2), LOSS, OUTPUTS, s.z[i], s.zero, s.Y[i], T(1));
        if (lane == 0) r.losses[begin + i] = s.weight[i] * L;
    }
}
