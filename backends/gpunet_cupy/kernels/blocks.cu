// Exact SGD in blocks: the sequential part, all steps of one block in one launch of one thread block.
//
// The first layer's weights within a block of examples are W = w W₀ + q V₀ + Σ_i u_i δ_i x_iᵀ, so that
//     W x_j = w P_j + q Q_j + Σ_{i<j} u_i G_ij δ_i,    P = X W₀ᵀ,  Q = X V₀ᵀ,  G = X Xᵀ,
// needs no weight (see recurrence.py of the NumPy backend). Biases and the weights of later layers are small: they
// stay in shared memory for the whole block, and are stepped as usual.
//
// Macros: BLOCK examples a block at most, BATCH examples a step, THREADS; LAYERS (1 to 3), units N1 N2 N3 and
// activations G1 G2 G3 (those of absent layers are 0), LOSS; BETA (momentum), NESTEROV (0 or 1), DECAY;
// BYTES, what the host takes `Shared` to need.
//
// Column n of a layer belongs to thread n mod THREADS: it alone reads and writes δ[1] and b[1] there, and steps
// that column of the next layer's weights. Threads meet only where they need each other's activations.

#define SLOTS (BETA > 0)
#define OUTPUTS (LAYERS == 1 ? N1 : LAYERS == 2 ? N2 : N3)
#define BIASES (N1 + N2 + N3)
#define LATER (N1 * N2 + N2 * N3)
#define AT_LEAST_1(n) ((n) > 0 ? (n) : 1)

struct Shared {
    double u[BLOCK], r[BLOCK];                  // coefficients of each example's step
    double w, q, p, spare;                      // those of W₀ and V₀
    T D[BLOCK][N1];                             // P at first; row i becomes δ[1] of example i
    T G[BLOCK * BLOCK];                         // (count, count)
    T c[BATCH][BLOCK];                          // u_i G_ij for the examples j of one step
    T A[BATCH][BIASES];                         // activations of all layers; on the way back, δ
    T Y[BLOCK][OUTPUTS];
    T weight[BLOCK];
    T L[BATCH];
    T b[BIASES];
    T W[AT_LEAST_1(LATER)];                     // W[2], W[3]
    T slot_b[SLOTS ? BIASES : 1];
    T slot_W[SLOTS ? AT_LEAST_1(LATER) : 1];
};
static_assert(sizeof(Shared) == BYTES, "the host reserves another amount of shared memory");

__device__ constexpr int units(int l) { return l == 1 ? N1 : l == 2 ? N2 : N3; }
__device__ constexpr int activation(int l) { return l == 1 ? G1 : l == 2 ? G2 : G3; }
__device__ constexpr int at_unit(int l) { return l == 1 ? 0 : l == 2 ? N1 : N1 + N2; }
__device__ constexpr int at_weight(int l) { return l == 3 ? N1 * N2 : 0; }

// One parameter follows its gradient g; `keep` is 1 − αλ for weights, 1 for biases.
__device__ inline void follow(T* p, T* v, T g, T rate, T keep) {
    T along = g;
    if (SLOTS) {
        along = *v = T(BETA) * *v + T(1.0 - BETA) * g;
        if (NESTEROV) along = T(BETA) * *v + T(1.0 - BETA) * g;
    }
    *p = keep * *p - rate * along;
}

// Z[1] of examples j … j + B: the block's product, corrected for the steps since. A hidden layer becomes A[1].
__device__ inline void first_layer(Shared& s, const T* Q, int j, int B) {
    T w = T(s.w), q = T(s.q);
    for (int n = threadIdx.x; n < N1; n += THREADS) {
        for (int e = 0; e < B; ++e) {
            T z = w * s.D[j + e][n];
            if (SLOTS) z += q * Q[(j + e) * N1 + n];
#pragma unroll 8
            for (int i = 0; i < j; ++i) z += s.c[e][i] * s.D[i][n];
            s.A[e][n] = LAYERS == 1 ? z : activate(G1, z + s.b[n]);
        }
    }
}

// A[l] from A[l − 1]; Z[L] without its bias. One warp takes one unit of one example.
__device__ inline void next_layer(Shared& s, int l, int B) {
    int lane = threadIdx.x % WARP;
    for (int job = threadIdx.x / WARP; job < B * units(l); job += THREADS / WARP) {
        int e = job / units(l), k = job % units(l);
        const T* W = s.W + at_weight(l) + k * units(l - 1);
        const T* below = s.A[e] + at_unit(l - 1);
        T z = T(0);
        for (int n = lane; n < units(l - 1); n += WARP) z += W[n] * below[n];
        z = warp_sum(z);
        if (lane == 0) s.A[e][at_unit(l) + k] = l == LAYERS ? z : activate(activation(l), z + s.b[at_unit(l) + k]);
    }
}

// δ[L] of every example of the step, one warp each.
__device__ inline void outputs(Shared& s, int j, int B) {
    const int at = at_unit(LAYERS);
    for (int e = threadIdx.x / WARP; e < B; e += THREADS / WARP) {
        T weight = s.weight[j + e];
        T L = output_delta(activation(LAYERS), LOSS, OUTPUTS, s.A[e] + at, s.b + at, s.Y[j + e], weight / T(B));
        if (threadIdx.x % WARP == 0) s.L[e] = weight * L;
    }
}

// δ[l − 1] from δ[l], in the place of A[l − 1], and the step of W[l]: each thread its columns.
__device__ inline void layer_back(Shared& s, int l, int B, T rate, T keep) {
    for (int n = threadIdx.x; n < units(l - 1); n += THREADS) {
        T d[BATCH];
        const int at = at_unit(l - 1) + n, up = at_unit(l);
#pragma unroll
        for (int e = 0; e < BATCH; ++e) d[e] = T(0);
        for (int k = 0; k < units(l); ++k) {
            int i = at_weight(l) + k * units(l - 1) + n;
            T W = s.W[i], g = T(0);
#pragma unroll
            for (int e = 0; e < BATCH; ++e) {
                if (e < B) {
                    T delta = s.A[e][up + k];
                    d[e] += W * delta;
                    g += delta * s.A[e][at];
                }
            }
            follow(s.W + i, s.slot_W + (SLOTS ? i : 0), g, rate, keep);
        }
#pragma unroll
        for (int e = 0; e < BATCH; ++e)
            if (e < B) s.A[e][at] = backward_through(activation(l - 1), d[e], s.A[e][at]);
    }
}

// b[l] follows the sum of δ[l] over the step's examples.
__device__ inline void bias_step(Shared& s, int l, int B, T rate) {
    for (int n = threadIdx.x; n < units(l); n += THREADS) {
        int at = at_unit(l) + n;
        T g = T(0);
        for (int e = 0; e < B; ++e) g += s.A[e][at];
        follow(s.b + at, s.slot_b + (SLOTS ? at : 0), g, rate, T(1));
    }
}

// One step of the recurrence, and from it c for the examples of the next step. It knows the rate and nothing else
// of the step, so it runs beside the outputs.
__device__ inline void advance(Shared& s, int j, int B, int count, double rate) {
    const double shrink = 1.0 - rate * DECAY, along = NESTEROV ? rate * BETA : rate;
    if (threadIdx.x == 0) {
        s.p *= BETA;
        s.w *= shrink;
        s.q = s.q * shrink - along * s.p;
    }
    for (int i = threadIdx.x; i < j + B; i += THREADS) {
        s.r[i] = i < j ? BETA * s.r[i] : 1.0 - BETA;
        s.u[i] = (i < j ? s.u[i] * shrink : 0.0) - along * s.r[i];
        if (NESTEROV && i >= j) s.u[i] -= rate * (1.0 - BETA);
        for (int e = 0; e < BATCH && j + B + e < count; ++e)
            s.c[e][i] = T(s.u[i]) * s.G[(j + B + e) * count + i];
    }
}

// Copies n numbers, all threads together.
__device__ inline void copy(T* to, const T* from, int n) {
    for (int i = threadIdx.x; i < n; i += THREADS) to[i] = from[i];
}

// `count` examples from position *step · BATCH on. P (count, N1), Q likewise or null, G (count, count); W, b and
// their slots are read and written; E and R (count, N1) get u δ[1] and r δ[1], wqp the three numbers, losses J.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    run_block(const T* P, const T* Q, const T* G, const T* Y, const T* weights, const int* order, int count,
              const T* coefficients, int* step, T* b, T* W, T* slot_b, T* slot_W, T* E, T* R, T* wqp, T* losses) {
    Shared& s = *reinterpret_cast<Shared*>(memory);
    const int start = *step;
    copy(&s.D[0][0], P, count * N1);
    copy(s.G, G, count * count);
    copy(s.b, b, BIASES);
    copy(s.W, W, LATER);
    if (SLOTS) copy(s.slot_b, slot_b, BIASES);
    if (SLOTS) copy(s.slot_W, slot_W, LATER);
    for (int i = threadIdx.x; i < count * OUTPUTS; i += THREADS) {
        int position = start * BATCH + i / OUTPUTS;
        long long source = order ? order[position] : position;
        s.Y[i / OUTPUTS][i % OUTPUTS] = Y[source * OUTPUTS + i % OUTPUTS];
        if (i % OUTPUTS == 0) s.weight[i / OUTPUTS] = weights ? weights[source] : T(1);
    }
    if (threadIdx.x == 0) s.w = s.p = 1.0, s.q = 0.0;
    __syncthreads();
    int now = start;
    for (int j = 0; j < count; j += BATCH, ++now) {
        const int B = count - j < BATCH ? count - j : BATCH;
        const T rate = coefficients[now], keep = T(1) - rate * T(DECAY);
        first_layer(s, Q, j, B);
        __syncthreads();
#pragma unroll
        for (int l = 2; l <= LAYERS; ++l) {
            next_layer(s, l, B);
            __syncthreads();
        }
        outputs(s, j, B);
        advance(s, j, B, count, rate);
        __syncthreads();
#pragma unroll
        for (int l = LAYERS; l > 1; --l) {
            layer_back(s, l, B, rate, keep);
            bias_step(s, l, B, rate);
            if (l > 2) __syncthreads();
        }
        bias_step(s, 1, B, rate);
        for (int n = threadIdx.x; n < N1; n += THREADS)
            for (int e = 0; e < B; ++e) s.D[j + e][n] = s.A[e][n];
        if (threadIdx.x == 0) {
            T J = T(0);
            for (int e = 0; e < B; ++e) J += s.L[e];
            losses[now] = J / T(B);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count * N1; i += THREADS) {
        T d = s.D[i / N1][i % N1];
        E[i] = T(s.u[i / N1]) * d;
        if (SLOTS) R[i] = T(s.r[i / N1]) * d;
    }
    copy(b, s.b, BIASES);
    copy(W, s.W, LATER);
    if (SLOTS) copy(slot_b, s.slot_b, BIASES);
    if (SLOTS) copy(slot_W, s.slot_W, LATER);
    if (threadIdx.x == 0) {
        wqp[0] = T(s.w), wqp[1] = T(s.q), wqp[2] = T(s.p);
        *step = now;
    }
}

// W[1] ← w W[1] + q V[1], V[1] ← p V[1], n numbers: what the block's products are then added to.
extern "C" __global__ void fold(T* W, T* V, const T* wqp, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    T v = SLOTS ? V[i] : T(0);
    W[i] = wqp[0] * W[i] + wqp[1] * v;
    if (SLOTS) V[i] = wqp[2] * v;
}
