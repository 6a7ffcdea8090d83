// Blocked SGD, the part that must run step by step, with one hidden layer (block_steps.cuh).
//
// One thread block computes it. Its first STEPPERS threads own hidden units, one or two each: the units'
// biases and columns of W[2] are in registers. Each warp sums its units' terms of the outputs, the warps
// exchange these partial sums, and then every warp computes δ[L] for itself, an output per lane. The next
// MAX_UNITS threads, one per unit, compute z for the step after next in advance, except for the terms of the two
// steps that are not finished.
//
// Macros: those of block_steps.cuh.
#pragma once
#include "persistent/block_steps.cuh"

#define STEPPERS 128
#define MAX_UNITS 256
#define UNITS_PER_THREAD ((size(1) + STEPPERS - 1) / STEPPERS)
static_assert(STEPPERS / WARP == 4, "partial sums are read four at a time");

// The last layer and the biases, or their momentum.
struct OwnParameters {
    T W[OUTPUTS][MAX_UNITS], b[MAX_UNITS], b_out[OUTPUTS];  // W[2], b[1], b[2]
};

struct StepState {
    T partial[2][LANES][STEPPERS / WARP];  // each warp's partial sums of the outputs, for even and odd steps
    T D[CHUNK][MAX_UNITS];      // w P + q Q on entry; row i becomes δ[1] of example i
    T u_G[CHUNK][CHUNK];        // row j: u_i G_ij
    T z_ahead[2][MAX_UNITS];    // computed in advance, for even and odd steps
    T z[CHUNK][OUTPUTS];        // z[2], for the losses, which are computed after all steps
    T Y[CHUNK][OUTPUTS];
    T weight[CHUNK], rate[CHUNK];
    OwnParameters own[1 + SLOTS];  // kept from block to block
};

// ∂L/∂z of all outputs, times `scale`, in every thread. Lane k mod LANES has z of output k, and gets its ∂L/∂z alone, too.
// Softmax with cross-entropy is written out here, because this is on the critical path of every step: lanes
// exchange values at once instead of summing them up in rounds, and the loss is not needed.
__device__ inline T output_deltas(T z, const T* y, T scale, T (&delta)[OUTPUTS]) {
    const int k_own = threadIdx.x % LANES < OUTPUTS ? threadIdx.x % LANES : 0;
    T own;
    if (LOSS == CROSS_ENTROPY) {
        T all[OUTPUTS];
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) all[k] = __shfl_sync(ALL_LANES, z, k);
#pragma unroll
        for (int apart = 1; apart < OUTPUTS; apart *= 2)
#pragma unroll
            for (int k = 0; k + apart < OUTPUTS; k += 2 * apart) all[k] = fmax(all[k], all[k + apart]);
        const T e = exp(z - all[0]);
        T total = T(0);
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) total += delta[k] = __shfl_sync(ALL_LANES, e, k);
        const T scale_over_total = quotient(scale, total);
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) delta[k] = delta[k] * scale_over_total - y[k] * scale;
        own = e * scale_over_total - y[k_own] * scale;
    } else {
        own = scale * loss_backward(activation(2), LOSS, activate(activation(2), z), y[k_own]);
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) delta[k] = __shfl_sync(ALL_LANES, own, k);
    }
    return own;
}

// z[1] of unit n for step j, without bias, as far as the first `steps` steps determine it. It is
// on the critical path: written like this, the compiler unrolls it as far as is fastest.
__device__ inline T corrected_z(const StepState& s, int j, int steps, int n) {
    T sum[4] = {s.D[j][n]};
    int i = 0;
    for (; i + 4 <= steps; i += 4) {
        Vec4 c = load4(&s.u_G[j][i]);
#pragma unroll
        for (int h = 0; h < 4; ++h) sum[h] += c.v[h] * s.D[i + h][n];
    }
    for (; i < steps; ++i) sum[0] += s.u_G[j][i] * s.D[i][n];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

// Load P of a block to shared memory.
__device__ inline void load_P(StepState& s, int count, const T* P) {
#pragma unroll 16
    for (int i = threadIdx.x; i < count * MAX_UNITS; i += THREADS)
        s.D[i / MAX_UNITS][i % MAX_UNITS] =
            i % MAX_UNITS < size(1) ? P[i / MAX_UNITS * row_stride(1) + i % MAX_UNITS] : T(0);
    __syncthreads();
    for (int i = threadIdx.x; i < 2 * MAX_UNITS && i < count * MAX_UNITS; i += THREADS)
        s.z_ahead[i / MAX_UNITS][i % MAX_UNITS] = s.D[i / MAX_UNITS][i % MAX_UNITS];
    __syncthreads();
}

// What one of the first STEPPERS threads owns of OwnParameters, in registers. The first OUTPUTS of them have b[2].
struct Owned {
    T W[UNITS_PER_THREAD][OUTPUTS], b[UNITS_PER_THREAD], b_out;

    __device__ static inline int unit(int i) { return threadIdx.x + i * STEPPERS; }

    __device__ inline void load(const OwnParameters& from) {
        b_out = threadIdx.x < OUTPUTS ? from.b_out[threadIdx.x] : T(0);
#pragma unroll
        for (int i = 0; i < UNITS_PER_THREAD; ++i) {
            b[i] = from.b[unit(i)];
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) W[i][k] = from.W[k][unit(i)];
        }
    }

    __device__ inline void store(OwnParameters& to) const {
        if (threadIdx.x < OUTPUTS) to.b_out[threadIdx.x] = b_out;
#pragma unroll
        for (int i = 0; i < UNITS_PER_THREAD; ++i) {
            to.b[unit(i)] = b[i];
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) to.W[k][unit(i)] = W[i][k];
        }
    }
};

// One of the first STEPPERS threads.
struct Stepper {
    Owned own, momentum;
    T a[UNITS_PER_THREAD], delta_2_ago[UNITS_PER_THREAD], delta_1_ago[UNITS_PER_THREAD];  // δ[1] of the last two steps

    __device__ static inline int unit(int i) { return Owned::unit(i); }

    __device__ inline void load(const StepState& s) {
        own.load(s.own[0]);
        if (SLOTS) momentum.load(s.own[SLOTS]);
#pragma unroll
        for (int i = 0; i < UNITS_PER_THREAD; ++i) delta_2_ago[i] = delta_1_ago[i] = T(0);
    }

    __device__ inline void store(StepState& s) const {
        own.store(s.own[0]);
        if (SLOTS) momentum.store(s.own[SLOTS]);
    }

    // A[1] of example j, and the warp's partial sums of its outputs; the first warp's include b[2].
    __device__ inline void forward(StepState& s, int j) {
        const T c2 = j > 1 ? s.u_G[j][j - 2] : T(0), c1 = j > 0 ? s.u_G[j][j - 1] : T(0);
        T out[LANES];
#pragma unroll
        for (int k = 0; k < LANES; ++k) out[k] = T(0);
#pragma unroll
        for (int i = 0; i < UNITS_PER_THREAD; ++i) {
            T z = s.z_ahead[j % 2][unit(i)] + own.b[i] + c2 * delta_2_ago[i] + c1 * delta_1_ago[i];
            a[i] = unit(i) < size(1) ? activate(activation(1), z) : T(0);
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) out[k] += own.W[i][k] * a[i];
        }
        T sum = warp_reduce_scatter<LANES / 2>(out) + own.b_out;
        if (threadIdx.x % WARP < LANES) s.partial[j % 2][threadIdx.x % WARP][threadIdx.x / WARP] = sum;
    }

    // Outputs, δ[2], δ[1], and the update of all that the thread owns.
    __device__ inline void step(StepState& s, int j) {
        const int k_own = threadIdx.x % LANES;
        const Vec4 partial = load4(s.partial[j % 2][k_own]);
        const T z = partial.v[0] + partial.v[1] + (partial.v[2] + partial.v[3]);
        if (threadIdx.x < OUTPUTS) s.z[j][threadIdx.x] = z;
        T delta[OUTPUTS];
        const T delta_own = output_deltas(z, s.Y[j], s.weight[j], delta);
        const Descent descent(s.rate[j]);
#pragma unroll
        for (int i = 0; i < UNITS_PER_THREAD; ++i) {
            T d = T(0);
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) d += own.W[i][k] * delta[k];
            delta_2_ago[i] = delta_1_ago[i];
            delta_1_ago[i] = activation_backward(activation(1), d, a[i]);
            descent.update<false>(own.b[i], momentum.b[i], descent.scaled(delta_1_ago[i]), T(1));
            s.D[j][unit(i)] = delta_1_ago[i];
        }
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) {
            const T scaled = descent.scaled(delta[k]);
#pragma unroll
            for (int i = 0; i < UNITS_PER_THREAD; ++i)
                descent.update<true>(own.W[i][k], momentum.W[i][k], scaled, a[i]);
        }
        if (threadIdx.x < OUTPUTS)
            descent.update<false>(own.b_out, momentum.b_out, descent.scaled(delta_own), T(1));
    }
};

// The steps of a block of `count` examples, whose other data are in shared memory. P and D (count, row_stride(1));
// D ← δ[1]. Not inlined, so that all registers are available to it.
__device__ __noinline__ void run_steps(int count, const T* P, T* D) {
    StepState& s = *reinterpret_cast<StepState*>(shared_memory);
    load_P(s, count, P);
    if (threadIdx.x < STEPPERS) {
        Stepper stepper;
        stepper.load(s);
        for (int j = 0; j < count; ++j) {
            stepper.forward(s, j);
            __syncthreads();
            stepper.step(s, j);
        }
        stepper.store(s);
    } else {
        const int unit = threadIdx.x - STEPPERS;
        for (int j = 0; j < count; ++j) {
            __syncthreads();
            if (unit < size(1) && j + 2 < count) s.z_ahead[j % 2][unit] = corrected_z(s, j + 2, j, unit);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count * MAX_UNITS; i += THREADS)
        if (i % MAX_UNITS < size(1))
            D[i / MAX_UNITS * row_stride(1) + i % MAX_UNITS] = s.D[i / MAX_UNITS][i % MAX_UNITS];
}
