// The last layer in minibatch.cu. It is small: its weights stay in global memory, each thread block takes one
// example at a time, and the update is spread over all thread blocks.
#pragma once
#include "common/output_layer.cuh"
#include "persistent/exchange.cuh"

// A[L − 1], outputs, losses, δ[L] and δ[L − 1] of the step's examples. The partial sums of the next example
// are loaded while the current one is computed. `row` is the place in Y of the thread block's first example.
__device__ inline void output_phase(const Epoch& epoch, int row) {
    using Layer = OutputLayer<size(HIDDEN), OUTPUTS, activation(HIDDEN), activation(LAYERS), THREADS>;
    constexpr int EACH = Layer::EACH, PARTIALS = tile_columns(HIDDEN);
    if (blockIdx.x >= epoch.batch) return;
    Layer layer;
    T partials[EACH][PARTIALS], next_y, next_weight;
    const auto prefetch = [&](int e) {
        next_y = layer.output() < OUTPUTS ? epoch.Y[(long long)row * OUTPUTS + layer.output()] : T(0);
        next_weight = epoch.weights ? epoch.weights[row] : T(1);
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int p = 0; p < PARTIALS; ++p) {
                const T* Z = epoch.workspace + Z_partials_at(HIDDEN) + (p * BATCH_SIZE + e) * row_stride(HIDDEN);
                partials[i][p] = layer.in_range(i) ? Z[layer.unit(i)] : T(0);
            }
        if (e + gridDim.x < epoch.batch) row = example_index(epoch, epoch.first + e + gridDim.x);
    };
    prefetch(blockIdx.x);
    layer.load_weights(epoch.theta + weights_at(LAYERS), epoch.theta + bias_at(HIDDEN), epoch.theta + bias_at(LAYERS));
    for (int e = blockIdx.x; e < epoch.batch; e += gridDim.x) {
        T z[EACH], a[EACH], L, y = next_y, weight = next_weight;
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            z[i] = T(0);
#pragma unroll
            for (int p = 0; p < PARTIALS; ++p) z[i] += partials[i][p];
        }
        if (e + gridDim.x < epoch.batch) prefetch(e + gridDim.x);
        T delta = layer.forward_backward(z, a, a, y, weight / T(epoch.batch), shared() + scratch_at(), L);
#pragma unroll
        for (int i = 0; i < EACH; ++i)
            if (layer.unit(i) < row_stride(HIDDEN)) {
                epoch.workspace[activations_at(HIDDEN) + e * row_stride(HIDDEN) + layer.unit(i)] = a[i];
                epoch.workspace[delta_below_at() + e * row_stride(HIDDEN) + layer.unit(i)] = z[i];
            }
        if (threadIdx.x < OUTPUTS) epoch.workspace[delta_at() + e * OUTPUTS + threadIdx.x] = delta;
        if (threadIdx.x == 0) epoch.workspace[losses_at() + e] = weight * L;
    }
}

// The sum of the squares of the thread's weights in the thread block's tiles of layers l, l + 1, …; elements past a
// layer's end are 0.
template <int l>
__device__ inline T tile_squares() {
    T sum = T(0);
    if (blockIdx.x < tile_rows(l) * tile_columns(l))
        for (int i = threadIdx.x; i < TILE_UNITS * tile_inputs(l); i += THREADS) {
            const T w = shared()[tile_at(l) + i / tile_inputs(l) * pitch(l) + i % tile_inputs(l)];
            sum += w * w;
        }
    if constexpr (l < HIDDEN) sum += tile_squares<l + 1>();
    return sum;
}

// Each warp's sum of the squares of its weights, for the penalty: those of the tiles and of the last layer.
__device__ inline void square_weights(const Epoch& epoch) {
    T sum = tile_squares<1>();
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < OUTPUTS * size(HIDDEN); i += gridDim.x * THREADS) {
        const T w = epoch.theta[weights_at(LAYERS) + i];
        sum += w * w;
    }
    sum = warp_sum(sum);
    if (threadIdx.x % WARP == 0) epoch.workspace[squares_at() + blockIdx.x * WARPS + threadIdx.x / WARP] = sum;
}

// The update of the last layer, and the step's loss. A job is one output and 32 units below. Jobs are
// assigned from the last thread block backwards, because the last ones have no tile.
__device__ inline void update_output_layer(const Epoch& epoch) {
    constexpr int n = size(HIDDEN), GROUPS = (n + WARP - 1) / WARP;
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    T* sums = shared() + scratch_at();
    const T* delta = epoch.workspace + delta_at();
    for (int job = gridDim.x - 1 - blockIdx.x; job < OUTPUTS * GROUPS; job += gridDim.x) {
        int k = job / GROUPS, unit = job % GROUPS * WARP + lane;
        T g = T(0), db = T(0);
#pragma unroll 8
        for (int e = warp; e < epoch.batch; e += WARPS) {
            T d = delta[e * OUTPUTS + k];
            if (unit < n) g += d * epoch.workspace[activations_at(HIDDEN) + e * row_stride(HIDDEN) + unit];
            db += d;
        }
        __syncthreads();
        sums[threadIdx.x] = g;
        if (lane == 0) sums[THREADS + warp] = db;
        __syncthreads();
        if (warp == 0) {
            g = db = T(0);
            for (int w = 0; w < WARPS; ++w) g += sums[w * WARP + lane], db += sums[THREADS + w];
            int W = weights_at(LAYERS) + k * n + unit, b = bias_at(LAYERS) + k;
            if (unit < n) {
                if (PENALIZED) g = penalized(g, epoch.theta[W], epoch.c);
                apply_update(epoch.theta + W, epoch.slots + W, parameters(), g, epoch.c, true);
            }
            if (unit == 0) apply_update(epoch.theta + b, epoch.slots + b, parameters(), db, epoch.c, false);
        }
    }
    if (blockIdx.x == gridDim.x - 1 && warp == WARPS - 1) {
        double J = 0.0;
        for (int e = lane; e < epoch.batch; e += WARP) J += epoch.workspace[losses_at() + e];
        J = warp_sum(J) / epoch.batch;
        if (PENALIZED) {
            double squares = 0.0;
#pragma unroll 8
            for (int i = lane; i < THREAD_BLOCKS * WARPS; i += WARP) squares += epoch.workspace[squares_at() + i];
            J += 0.5 * penalty_strength(epoch.c) * warp_sum(squares);
        }
        if (lane == 0) epoch.losses[epoch.step] = T(J);
    }
}
