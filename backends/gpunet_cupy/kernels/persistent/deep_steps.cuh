// Blocked SGD, the part that must run step by step, with two hidden layers (block_steps.cuh).
//
// A group of MEMBERS thread blocks computes it. Each member owns COLUMNS units of layer 1: their z[1], biases
// and δ[1], and the columns of W[2] from them, which stay in registers for the whole epoch. Its product of
// these columns with A[1] is a partial sum of z[2]. The members exchange the partial sums, once per step
// (common/tagged_values.cuh). What follows, all members compute alike, to the last bit: z[2], the outputs, δ[3]
// and δ[2]. Then δ[1] of a member's units needs its own columns of W[2] only.
//
// In each member, the first UPPER threads own a unit of layer 2 each: its bias, its column of W[3], and, for the
// products with W[2], a piece of 8 rows and COLUMNS / 8 columns; the pieces of a warp have the rows of its own
// units. The first COLUMNS threads own a unit of layer 1 each, too. While partial sums are on their way, all
// threads compute z[1] of the next step in advance, except for the term of the step that is not finished.
//
// Macros: those of block_steps.cuh, and COLUMNS.
#pragma once
#include "common/tagged_values.cuh"
#include "persistent/block_steps.cuh"

#define UPPER_WARPS ((size(2) + WARP - 1) / WARP)
#define UPPER (UPPER_WARPS * WARP)
#define ROWS 8          // of a piece
#define COLUMN_LANES 8  // lanes that have the same rows
#define PIECE (COLUMNS / COLUMN_LANES)  // columns of a piece
#define QUARTER (PIECE / 4)
#define MEMBERS ((size(1) + COLUMNS - 1) / COLUMNS)
#define AHEAD (THREADS / COLUMNS)       // threads per unit that compute z[1] in advance
static_assert(COLUMNS % 32 == 0 && UPPER <= THREADS && COLUMNS <= THREADS && LAYERS == 3, "there is no such kernel");

struct StepState {
    T D[CHUNK][COLUMNS];            // w P + q Q on entry; row i becomes δ[1] of example i
    T u_G[CHUNK][CHUNK];            // row j: u_i G_ij
    T a[COLUMNS];                   // A[1] of the step
    T z_ahead[AHEAD][COLUMNS];      // partial sums of z[1] of the next step
    T dA_partial[UPPER_WARPS][COLUMNS];
    T z_partial[UPPER_WARPS][LANES];  // of the outputs
    T z[CHUNK][OUTPUTS];              // z[3], for the losses, which are computed after all steps
    T Y[CHUNK][OUTPUTS];
    T weight[CHUNK], rate[CHUNK];
};

__device__ inline int member() { return blockIdx.x - TILES; }

// Partial sums of z[2], with their tags: of two steps in turn, because a member may be one step ahead.
#define WORDS (2 * MEMBERS * PARTS * UPPER)
template <class Word>
__device__ inline Word* words_of(Word* words, int step, int member) {
    return words + (step % 2 * MEMBERS + member) * PARTS * UPPER;
}

// Tags of an earlier launch must not be taken for those of this one.
__device__ inline void clear_words(unsigned long long* words) {
    for (int turn = 0; turn < 2; ++turn)
        for (int i = threadIdx.x; i < PARTS * UPPER; i += THREADS) store_relaxed(words_of(words, turn, member()) + i, 0);
}

// Copy a value between a thread and global memory. What is out of range is 0 in the thread.
template <bool STORE>
__device__ inline void copy_value(T* local, T* global, bool in_range) {
    if (!STORE) *local = in_range ? *global : T(0);
    else if (in_range) *global = *local;
}

// What one of the first UPPER threads owns, or its momentum. Its unit has the thread's number.
struct UpperParameters {
    T W[ROWS][PIECE];         // of the piece
    T W_out[OUTPUTS], b;      // of the unit
    T b_out;                  // of the lane's output
};

// One of the first UPPER threads.
struct UpperThread {
    UpperParameters own, momentum;
    T a_below[PIECE], delta_rows[ROWS], a, delta, delta_out;  // of the step

    __device__ inline int lane() const { return threadIdx.x % WARP; }
    __device__ inline int warp() const { return threadIdx.x / WARP; }
    __device__ inline bool in_range() const { return size(2) % WARP == 0 || threadIdx.x < size(2); }

    // Rows and columns of the piece. Columns are in groups of four.
    __device__ inline int row(int i) const { return warp() * WARP + lane() / COLUMN_LANES * ROWS + i; }
    __device__ inline int column(int i) const { return 4 * (lane() % COLUMN_LANES + COLUMN_LANES * (i / 4)) + i % 4; }

    // Copy weights, or their momentum, between global memory and registers. All members have those of the unit and
    // of the outputs; the first one stores them.
    template <bool STORE>
    __device__ inline void copy(UpperParameters& p, T* all) {
#pragma unroll
        for (int r = 0; r < ROWS; ++r)
#pragma unroll
            for (int c = 0; c < PIECE; ++c) {
                const int n = member() * COLUMNS + column(c);
                copy_value<STORE>(&p.W[r][c], all + weights_at(2) + row(r) * size(1) + n,
                                  row(r) < size(2) && n < size(1));
            }
        if (STORE && member() != 0) return;
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k)
            copy_value<STORE>(&p.W_out[k], all + weights_at(3) + k * size(2) + threadIdx.x, in_range());
        copy_value<STORE>(&p.b, all + bias_at(2) + threadIdx.x, in_range());
        if (!STORE || warp() == 0)
            copy_value<STORE>(&p.b_out, all + bias_at(3) + lane() % LANES, lane() % LANES < OUTPUTS);
    }
    template <bool STORE>
    __device__ inline void copy_weights(const Epoch& epoch) {
        copy<STORE>(own, epoch.theta);
        if (SLOTS) copy<STORE>(momentum, epoch.slots);
    }

    // z[2] of the unit, without bias: the member's partial sum.
    __device__ inline T forward(const StepState& s) {
        T z[ROWS];
#pragma unroll
        for (int c = 0; c < PIECE; c += 4) {
            Vec4 x = load4(s.a + column(c));
#pragma unroll
            for (int h = 0; h < 4; ++h) a_below[c + h] = x.v[h];
        }
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            z[r] = T(0);
#pragma unroll
            for (int c = 0; c < PIECE; ++c) z[r] += own.W[r][c] * a_below[c];
        }
        exchange_halves<4, 4>(z);
        exchange_halves<2, 2>(z);
        exchange_halves<1, 1>(z);
        return z[0];
    }

    // Send the partial sum. Steps are numbered from 0 on.
    __device__ inline void send(T z, unsigned long long* words, int step) const {
        store_tagged(words_of(words, step, member()) + threadIdx.x, UPPER, z, step + 1);
    }

    // The sum of all members' partial sums, in the same order everywhere.
    __device__ inline T receive(const unsigned long long* words, int step) const {
        T partial[MEMBERS];
        bool arrived;
        do {
            arrived = true;
#pragma unroll
            for (int m = 0; m < MEMBERS; ++m)
                arrived &= load_tagged(words_of(words, step, m) + threadIdx.x, UPPER, partial[m], step + 1);
        } while (!arrived);
        T z = T(0);
#pragma unroll
        for (int m = 0; m < MEMBERS; ++m) z += partial[m];
        return z;
    }

    // A[2], and the warp's partial sums of the outputs.
    __device__ inline void outputs(StepState& s, T z) {
        a = in_range() ? activate(activation(2), z + own.b) : T(0);
        T out[LANES];
#pragma unroll
        for (int k = 0; k < LANES; ++k) out[k] = T(0);
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) out[k] = own.W_out[k] * a;
        T sum = warp_reduce_scatter<LANES / 2>(out);
        if (lane() < LANES) s.z_partial[warp()][lane()] = sum;
    }

    // δ[3], δ[2], and the warp's partial sums of ∂L/∂A[1] of the member's units.
    __device__ inline void backward(StepState& s, int j) {
        const int k = lane() % LANES;
        T z = own.b_out, L;
#pragma unroll
        for (int w = 0; w < UPPER_WARPS; ++w) z += s.z_partial[w][k];
        if (threadIdx.x < OUTPUTS) s.z[j][k] = z;
        delta_out = s.weight[j] * lane_output_delta<OUTPUTS>(activation(3), LOSS, z, s.Y[j][k < OUTPUTS ? k : 0], false, L);
        T d = T(0);
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) d += own.W_out[k] * __shfl_sync(ALL_LANES, delta_out, k);
        delta = activation_backward(activation(2), d, a);
#pragma unroll
        for (int r = 0; r < ROWS; ++r)
            delta_rows[r] = __shfl_sync(ALL_LANES, delta, lane() / COLUMN_LANES * ROWS + r);
        T dA[PIECE];
#pragma unroll
        for (int c = 0; c < PIECE; ++c) {
            dA[c] = T(0);
#pragma unroll
            for (int r = 0; r < ROWS; ++r) dA[c] += own.W[r][c] * delta_rows[r];
        }
        exchange_halves<2 * QUARTER, 16>(dA);
        exchange_halves<QUARTER, 8>(dA);
#pragma unroll
        for (int c = 0; c < QUARTER; ++c) s.dA_partial[warp()][column(lane() / COLUMN_LANES * QUARTER + c)] = dA[c];
    }

    __device__ inline void update(const Descent& descent) {
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const T scaled = descent.scaled(delta_rows[r]);
#pragma unroll
            for (int c = 0; c < PIECE; ++c) descent.update<true>(own.W[r][c], momentum.W[r][c], scaled, a_below[c]);
        }
        const T scaled_out = descent.scaled(delta_out);
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k)
            descent.update<true>(own.W_out[k], momentum.W_out[k], __shfl_sync(ALL_LANES, scaled_out, k), a);
        descent.update<false>(own.b, momentum.b, descent.scaled(delta), T(1));
        descent.update<false>(own.b_out, momentum.b_out, scaled_out, T(1));
    }
};

// One of the first COLUMNS threads; it owns the unit of that number among the member's units of layer 1.
struct LowerThread {
    T b, momentum, a;

    __device__ inline int unit() const { return member() * COLUMNS + threadIdx.x; }
    template <bool STORE>
    __device__ inline void copy_bias(const Epoch& epoch) {
        const bool in_range = unit() < size(1);
        copy_value<STORE>(&b, epoch.theta + bias_at(1) + unit(), in_range);
        if (SLOTS) copy_value<STORE>(&momentum, epoch.slots + bias_at(1) + unit(), in_range);
    }

    // A[1] from z without bias.
    __device__ inline void forward(StepState& s, T z) {
        a = unit() < size(1) ? activate(activation(1), z + b) : T(0);
        s.a[threadIdx.x] = a;
    }

    // δ[1] of example j.
    __device__ inline T backward(StepState& s, int j, const Descent& descent) {
        T d = T(0);
#pragma unroll
        for (int w = 0; w < UPPER_WARPS; ++w) d += s.dA_partial[w][threadIdx.x];
        d = activation_backward(activation(1), d, a);
        s.D[j][threadIdx.x] = d;
        descent.update<false>(b, momentum, descent.scaled(d), T(1));
        return d;
    }

    // A[1] of example j, after δ[1] of the step before.
    __device__ inline void forward(StepState& s, int j, T delta_before) {
        T z = s.D[j][threadIdx.x] + s.u_G[j][j - 1] * delta_before;
#pragma unroll
        for (int part = 0; part < AHEAD; ++part) z += s.z_ahead[part][threadIdx.x];
        forward(s, z);
    }
};

// Σ_{i<steps} u_i G_ij δ_i of unit n: what the first `steps` steps change in z[1] of step j. `parts` threads
// sum it together, each every parts-th four steps.
__device__ inline T corrections(const StepState& s, int j, int steps, int n, int part, int parts) {
    T sum[4] = {};
    int i = 4 * part;
    for (; i + 4 <= steps; i += 4 * parts) {
        Vec4 c = load4(&s.u_G[j][i]);
#pragma unroll
        for (int h = 0; h < 4; ++h) sum[h] += c.v[h] * s.D[i + h][n];
    }
    for (int h = i; h < i + 4 && h < steps; ++h) sum[0] += s.u_G[j][h] * s.D[h][n];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

// The corrections of z[1] for step j, all but the last one.
__device__ inline void compute_ahead(StepState& s, int j) {
    const int n = threadIdx.x % COLUMNS, part = threadIdx.x / COLUMNS;
    s.z_ahead[part][n] = corrections(s, j, j - 1, n, part, AHEAD);
}

// Load the corrections of z[1] to shared memory.
__device__ inline void load_corrections(StepState& s, int count, const T* u_G) {
#pragma unroll 4
    for (int i = threadIdx.x; i < count * CHUNK; i += THREADS)
        if (i % CHUNK < i / CHUNK) s.u_G[i / CHUNK][i % CHUNK] = u_G[i];
}

// Load P (count, row_stride(1)) of a block to shared memory.
__device__ inline void load_P(StepState& s, int count, const T* P) {
#pragma unroll 4
    for (int i = threadIdx.x; i < count * COLUMNS; i += THREADS) {
        const int n = i % COLUMNS, unit = member() * COLUMNS + n;
        s.D[i / COLUMNS][n] = unit < size(1) ? P[i / COLUMNS * row_stride(1) + unit] : T(0);
    }
    __syncthreads();
}

// The steps of the block of `count` examples from position `begin` on, whose other data are in shared memory. P and D
// (count, row_stride(1)); D ← δ[1].
__device__ inline void run_steps(StepState& s, UpperThread& upper, LowerThread& lower, int begin, int count, const T* P,
                                 T* D, unsigned long long* words) {
    const bool is_upper = threadIdx.x < UPPER, is_lower = threadIdx.x < COLUMNS;
    load_P(s, count, P);
    if (is_lower) lower.forward(s, s.D[0][threadIdx.x]);
    __syncthreads();
    for (int j = 0; j < count; ++j) {
        if (is_upper) upper.send(upper.forward(s), words, begin + j);
        if (j + 1 < count) compute_ahead(s, j + 1);
        if (is_upper) upper.outputs(s, upper.receive(words, begin + j));
        __syncthreads();
        if (is_upper) upper.backward(s, j);
        __syncthreads();
        const Descent descent(s.rate[j]);
        if (is_lower) {
            T delta_before = lower.backward(s, j, descent);
            if (j + 1 < count) lower.forward(s, j + 1, delta_before);
        }
        if (is_upper) upper.update(descent);
        __syncthreads();
    }
    for (int i = threadIdx.x; i < count * COLUMNS; i += THREADS) {
        const int e = i / COLUMNS, n = i % COLUMNS, unit = member() * COLUMNS + n;
        if (unit < size(1)) D[e * row_stride(1) + unit] = s.D[e][n];
    }
}
