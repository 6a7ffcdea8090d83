// Exact SGD, the part that must run step by step: the steps of a block of single examples, for one hidden layer.
//
// Within a block of examples the first layer's weights are W = W₀ − Σ_i α_i δ_i x_iᵀ, so that step j needs only
//     z_j = P_j − Σ_{i<j} α_i G_ij δ_i,    P = X W₀ᵀ,  G = X Xᵀ.
// One thread block does it. Its first STEPPING threads own hidden units, one or two each: their biases and columns of the
// last layer's weights stay in registers. Each warp sums its units' share of the outputs, the warps meet once, and then
// every thread finds δ[L] for itself. The next WIDEST threads, one a unit, work ahead: they add up z for the step after
// next, but for the two terms that are not known yet.
//
// Macros beside those of hold.cu: LOSS.

#define STEPPING 128
#define WIDEST 256  // units
#define UNITS ((size(1) + STEPPING - 1) / STEPPING)  // a thread
#define LANES (lanes_for(OUTPUTS))
#define SUMS (LANES > 4 ? LANES : 4)  // numbers of a warp's share of the outputs

struct Sequence {
    T part[2][STEPPING / WARP][SUMS];
    T D[CHUNK][WIDEST];  // P at first; row i becomes δ[1] of example i
    T c[CHUNK][CHUNK];   // row j: −α_i G_ij
    T ahead[2][WIDEST];
    T z[CHUNK][OUTPUTS];  // of the losses, found when all steps are done
    T Y[CHUNK][OUTPUTS];
    T weight[CHUNK], rate[CHUNK];
    T W[OUTPUTS][WIDEST], b[WIDEST], b_out[OUTPUTS];  // W[2], b[1], b[2], kept from block to block
};

// z ← scale ∂L/∂z of all outputs.
__device__ inline void output_deltas(T (&z)[OUTPUTS], const T* y, T scale) {
    if (LOSS == CROSS_ENTROPY) {
        T top = z[0], total = T(0);
#pragma unroll
        for (int k = 1; k < OUTPUTS; ++k) top = fmax(top, z[k]);
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) total += z[k] = exp(z[k] - top);
        const T share = scale / total;
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) z[k] = z[k] * share - y[k] * scale;
    } else {
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k)
            z[k] = scale * loss_through(activation(2), LOSS, activate(activation(2), z[k]), y[k]);
    }
}

// Row j of `D` plus what the steps before `known` add to it.
__device__ inline T worked_ahead(const Sequence& s, int j, int known, int n) {
    T sum[4] = {s.D[j][n]};
    int i = 0;
    for (; i + 4 <= known; i += 4) {
        Four c = four(&s.c[j][i]);
#pragma unroll
        for (int h = 0; h < 4; ++h) sum[h] += c.v[h] * s.D[i + h][n];
    }
    for (; i < known; ++i) sum[0] += s.c[j][i] * s.D[i][n];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

// What the steps need, brought to shared memory.
__device__ inline void prepare(const Run& r, Sequence& s, int begin, int count, const T* P, const T* G) {
    for (int i = threadIdx.x; i < count; i += THREADS) {
        s.weight[i] = r.weights ? r.weights[source_of(r, begin + i)] : T(1);
        s.rate[i] = r.c[begin + i];
    }
    for (int i = threadIdx.x; i < count * OUTPUTS; i += THREADS)
        s.Y[i / OUTPUTS][i % OUTPUTS] = r.Y[(long long)source_of(r, begin + i / OUTPUTS) * OUTPUTS + i % OUTPUTS];
#pragma unroll 8
    for (int i = threadIdx.x; i < count * WIDEST; i += THREADS)
        s.D[i / WIDEST][i % WIDEST] = i % WIDEST < size(1) ? P[i / WIDEST * stride(1) + i % WIDEST] : T(0);
#pragma unroll 4
    for (int i = threadIdx.x; i < count * CHUNK; i += THREADS)
        if (i % CHUNK < i / CHUNK) s.c[i / CHUNK][i % CHUNK] = -r.c[begin + i % CHUNK] * G[i];
    __syncthreads();
    for (int i = threadIdx.x; i < 2 * WIDEST && i < count * WIDEST; i += THREADS)
        s.ahead[i / WIDEST][i % WIDEST] = s.D[i / WIDEST][i % WIDEST];
    __syncthreads();
}

// What one of the first STEPPING threads does.
struct Stepper {
    T W[UNITS][OUTPUTS], b[UNITS], b_out[OUTPUTS];
    T a[UNITS], before[UNITS], last[UNITS];  // δ[1] of the two steps before this one

    __device__ inline int unit(int i) const { return threadIdx.x + i * STEPPING; }

    __device__ inline void take(const Sequence& s) {
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) b_out[k] = s.b_out[k];
#pragma unroll
        for (int i = 0; i < UNITS; ++i) {
            b[i] = s.b[unit(i)];
            before[i] = last[i] = T(0);
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) W[i][k] = s.W[k][unit(i)];
        }
    }

    __device__ inline void give(Sequence& s) const {
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k)
            if (threadIdx.x == k) s.b_out[k] = b_out[k];
#pragma unroll
        for (int i = 0; i < UNITS; ++i) {
            s.b[unit(i)] = b[i];
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) s.W[k][unit(i)] = W[i][k];
        }
    }

    // The units' share of the outputs of example j.
    __device__ inline void forward(Sequence& s, int j) {
        const T second = j > 1 ? s.c[j][j - 2] : T(0), first = j > 0 ? s.c[j][j - 1] : T(0);
        T out[LANES];
#pragma unroll
        for (int k = 0; k < LANES; ++k) out[k] = T(0);
#pragma unroll
        for (int i = 0; i < UNITS; ++i) {
            T z = s.ahead[j % 2][unit(i)] + b[i] + second * before[i] + first * last[i];
            a[i] = unit(i) < size(1) ? activate(activation(1), z) : T(0);
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) out[k] += W[i][k] * a[i];
        }
        T sum = warp_sums<LANES / 2>(out);
        if (threadIdx.x % WARP < LANES) s.part[j % 2][threadIdx.x / WARP][threadIdx.x % WARP] = sum;
    }

    // Outputs, δ[2], δ[1], and the step of all that the thread owns.
    __device__ inline void step(Sequence& s, int j) {
        T z[OUTPUTS];
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) z[k] = b_out[k];
#pragma unroll
        for (int warp = 0; warp < STEPPING / WARP; ++warp)
#pragma unroll
            for (int k = 0; k < OUTPUTS; k += 4) {
                Four share = four(&s.part[j % 2][warp][k]);
#pragma unroll
                for (int h = 0; h < 4; ++h)
                    if (k + h < OUTPUTS) z[k + h] += share.v[h];
            }
        if (threadIdx.x < WARP)
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k)
                if (threadIdx.x == k) s.z[j][k] = z[k];
        output_deltas(z, s.Y[j], s.weight[j]);
        const T rate = s.rate[j];
#pragma unroll
        for (int i = 0; i < UNITS; ++i) {
            T d = T(0);
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) {
                d += W[i][k] * z[k];
                W[i][k] -= rate * z[k] * a[i];
            }
            before[i] = last[i];
            last[i] = backward_through(activation(1), d, a[i]);
            b[i] -= rate * last[i];
            s.D[j][unit(i)] = last[i];
        }
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) b_out[k] -= rate * z[k];
    }
};

// The steps of `count` examples from position `begin` on. P and E (count, stride(1)), G (CHUNK, CHUNK), of which the part
// below the diagonal is read; E gets −α δ[1]. Not inlined, so that it has all registers for itself.
__device__ __noinline__ void sequence(Run r, int begin, int count, const T* P, const T* G, T* E) {
    Sequence& s = *reinterpret_cast<Sequence*>(memory);
    const int lane = threadIdx.x % WARP, unit = threadIdx.x - STEPPING;  // of those who work ahead
    const bool steps = threadIdx.x < STEPPING, ahead = !steps && unit < size(1);
    prepare(r, s, begin, count, P, G);
    Stepper stepper;
    if (steps) stepper.take(s);
    for (int j = 0; j < count; ++j) {
        if (steps) stepper.forward(s, j);
        __syncthreads();
        if (steps) stepper.step(s, j);
        if (ahead && j + 2 < count) s.ahead[j % 2][unit] = worked_ahead(s, j + 2, j, unit);
    }
    if (steps) stepper.give(s);
    __syncthreads();
    for (int i = threadIdx.x; i < count * WIDEST; i += THREADS)
        if (i % WIDEST < size(1)) E[i / WIDEST * stride(1) + i % WIDEST] = -s.rate[i / WIDEST] * s.D[i / WIDEST][i % WIDEST];
    for (int i = threadIdx.x / WARP; i < count; i += WARPS) {
        const int k = lane % LANES < OUTPUTS ? lane % LANES : 0;
        T L = T(0);
        lane_delta<OUTPUTS>(activation(2), LOSS, s.z[i][k], s.Y[i][k], true, L);
        if (lane == 0) r.losses[begin + i] = s.weight[i] * L;
    }
}
