// The last layer in resident.cu: outputs and δ of one example after the other, then its own step.

// A[L − 1], outputs, losses, δ[L] and δ[L − 1]. Partial sums of an example are on their way while the one before it is
// worked on; `row` is where the block's first one lies in Y.
__device__ inline void outputs(const Run& r, int row) {
    using Top = Head<size(HIDDEN), OUTPUTS, activation(HIDDEN), activation(LAYERS), THREADS>;
    constexpr int EACH = Top::EACH, PARTS = cols(HIDDEN);
    if (blockIdx.x >= r.B) return;
    Top head;
    T parts[EACH][PARTS], y, weight;
    const auto ask = [&](int e) {
        y = head.output() < OUTPUTS ? r.Y[(long long)row * OUTPUTS + head.output()] : T(0);
        weight = r.weights ? r.weights[row] : T(1);
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int part = 0; part < PARTS; ++part) {
                const T* Z = r.work + at_parts(HIDDEN) + (part * BATCH + e) * stride(HIDDEN);
                parts[i][part] = head.real(i) ? Z[head.unit(i)] : T(0);
            }
        if (e + gridDim.x < r.B) row = source_of(r, r.at + e + gridDim.x);
    };
    ask(blockIdx.x);
    head.take(r.theta + at_weights(LAYERS), r.theta + at_bias(HIDDEN), r.theta + at_bias(LAYERS));
    for (int e = blockIdx.x; e < r.B; e += gridDim.x) {
        T z[EACH], a[EACH], L, y_now = y, weight_now = weight;
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            z[i] = T(0);
#pragma unroll
            for (int part = 0; part < PARTS; ++part) z[i] += parts[i][part];
        }
        if (e + gridDim.x < r.B) ask(e + gridDim.x);
        T delta = head.example(z, a, y_now, weight_now / T(r.B), shared() + at_scratch(), L);
#pragma unroll
        for (int i = 0; i < EACH; ++i)
            if (head.unit(i) < stride(HIDDEN)) {
                r.work[at_activations(HIDDEN) + e * stride(HIDDEN) + head.unit(i)] = a[i];
                r.work[at_delta_below() + e * stride(HIDDEN) + head.unit(i)] = z[i];
            }
        if (threadIdx.x < OUTPUTS) r.work[at_delta() + e * OUTPUTS + threadIdx.x] = delta;
        if (threadIdx.x == 0) r.work[at_losses() + e] = weight_now * L;
    }
}

// The last layer follows its gradient, and the step's loss is summed: one block takes one output and 32 units below.
// Blocks count from the last one, which is the first without a tile.
__device__ inline void follow_outputs(const Run& r) {
    constexpr int n = size(HIDDEN), GROUPS = (n + WARP - 1) / WARP, TOTAL = at_bias(LAYERS + 1);
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    T* sums = shared() + at_scratch();
    const T* delta = r.work + at_delta();
    for (int job = gridDim.x - 1 - blockIdx.x; job < OUTPUTS * GROUPS; job += gridDim.x) {
        int k = job / GROUPS, unit = job % GROUPS * WARP + lane;
        T g = T(0), db = T(0);
#pragma unroll 8
        for (int e = warp; e < r.B; e += WARPS) {
            T d = delta[e * OUTPUTS + k];
            if (unit < n) g += d * r.work[at_activations(HIDDEN) + e * stride(HIDDEN) + unit];
            db += d;
        }
        __syncthreads();
        sums[threadIdx.x] = g;
        if (lane == 0) sums[THREADS + warp] = db;
        __syncthreads();
        if (warp == 0) {
            g = db = T(0);
            for (int w = 0; w < WARPS; ++w) g += sums[w * WARP + lane], db += sums[THREADS + w];
            int W = at_weights(LAYERS) + k * n + unit, b = at_bias(LAYERS) + k;
            if (unit < n) follow(r.theta + W, r.slots + W, TOTAL, g, r.c, true);
            if (unit == 0) follow(r.theta + b, r.slots + b, TOTAL, db, r.c, false);
        }
    }
    if (blockIdx.x == gridDim.x - 1 && warp == WARPS - 1) {
        double J = 0.0;
        for (int e = lane; e < r.B; e += WARP) J += r.work[at_losses() + e];
        J = warp_sum(J);
        if (lane == 0) r.losses[r.step] = T(J / r.B);
    }
}
