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
    T D[CHUNK][MAX_UNITS];      // row i becomes δ[1] of example i
    T u_G[CHUNK][CHUNK + 4];    // row i: u_i G_ij of step j in column j − i + 1
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

// Load the corrections of z[1] to shared memory. The column of step i + 3, the first one that AheadThread
// corrects, is a multiple of four.
__device__ inline void load_corrections(StepState& s, int count, const T* u_G) {
#pragma unroll 4
    for (int n = threadIdx.x; n < count * CHUNK; n += THREADS) {
        const int j = n / CHUNK, i = n % CHUNK;
        if (i < j) s.u_G[i][j - i + 1] = u_G[n];
    }
}

// Computes z[1] of one unit in advance, without bias. It has z[1] of all steps to come in registers, and a step's δ[1]
// changes them all. In each step they move up a place, so z[0] is always the next one. float64 values do not
// fit: z[1] is in D, on entry, and is corrected when it is needed.
struct AheadThread {
    static constexpr bool IN_REGISTERS = sizeof(T) == 4;
    T z[IN_REGISTERS ? CHUNK - 2 : 1];  // of the steps j + 2, j + 3, … after step j

    __device__ static inline int unit() { return threadIdx.x - STEPPERS; }

    // Before step 0. P (count, row_stride(1)).
    __device__ inline void load(StepState& s, int count, const T* P) {
        const bool in_range = unit() < size(1);
#pragma unroll
        for (int j = 0; j < CHUNK; ++j) {
            const T value = in_range && j < count ? P[j * row_stride(1) + unit()] : T(0);
            if (j < 2) s.z_ahead[j][unit()] = value;
            else if constexpr (IN_REGISTERS) z[j - 2] = value;
            else s.D[j][unit()] = value;
        }
    }

    // Write z[1] of step j + 2, as far as the steps before step j determine it.
    __device__ inline void step(StepState& s, int j) {
        if constexpr (IN_REGISTERS) {
            if (j > 0) {
                const T delta = s.D[j - 1][unit()];
#pragma unroll
                for (int i = 0; i < CHUNK; i += 4) {
                    if (i / 16 * 16 + j + 2 >= CHUNK) break;  // no step is so far ahead
                    const Vec4 u_G = load4(&s.u_G[j - 1][4 + i]);
#pragma unroll
                    for (int h = 0; h < 4; ++h)
                        if (i + h + 3 < CHUNK) z[i + h] = z[i + h + 1] + u_G.v[h] * delta;
                }
            }
            s.z_ahead[j % 2][unit()] = z[0];
        } else if (j + 2 < CHUNK) {
            T sum[4] = {s.D[j + 2][unit()]};
#pragma unroll 8
            for (int i = 0; i < j; ++i) sum[i % 4] += s.u_G[i][j + 2 - i + 1] * s.D[i][unit()];
            s.z_ahead[j % 2][unit()] = sum[0] + sum[1] + (sum[2] + sum[3]);
        }
    }
};

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
        const T c2 = j > 1 ? s.u_G[j - 2][3] : T(0), c1 = j > 0 ? s.u_G[j - 1][2] : T(0);
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
    if (threadIdx.x < STEPPERS) {
        Stepper stepper;
        stepper.load(s);
        __syncthreads();
        for (int j = 0; j < count; ++j) {
            stepper.forward(s, j);
            __syncthreads();
            stepper.step(s, j);
        }
        stepper.store(s);
    } else if (AheadThread::unit() < MAX_UNITS) {
        AheadThread ahead;
        ahead.load(s, count, P);
        __syncthreads();
        for (int j = 0; j < count; ++j) {
            __syncthreads();
            ahead.step(s, j);
        }
    } else {
        for (int j = -1; j < count; ++j) __syncthreads();
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count * MAX_UNITS; i += THREADS)
        if (i % MAX_UNITS < size(1))
            D[i / MAX_UNITS * row_stride(1) + i % MAX_UNITS] = s.D[i / MAX_UNITS][i % MAX_UNITS];
}
