// Mini-batches in one cooperative launch: all steps of an epoch, on all multiprocessors at once, with the
// weights in shared memory.
//
// Every hidden layer is cut into tiles, one per thread block (tiling.cuh). A tile has some of a layer's
// inputs, so its product with them is a partial sum, which goes to global memory (exchange.cuh); the partial
// sums are added up, always in the same order, by the thread blocks that need the sum. The last layer is
// computed example by example (output_phase.cuh). Grid barriers separate the phases of a step:
//
//     forward 1 | … | forward L − 1 | outputs | backward L − 1 | … | backward 1, and forward 1 of the next step
//
// The next chunk of X is prefetched into registers while the current one is computed (prefetch.cuh).
//
// Macros: those of network.cuh, tiling.cuh, update.cuh, block_state.cuh and exchange.cuh; THREAD_BLOCKS, how many run.
#include "common/grid_barrier.cuh"
#include "persistent/exchange.cuh"
#include "persistent/output_phase.cuh"
#include "persistent/prefetch.cuh"
#include "persistent/tile_products.cuh"

template <int l>
__device__ inline void forward(const Epoch& epoch, PrefetchedChunk& next, unsigned* counter, unsigned& passed) {
    if (blockIdx.x < tile_rows(l) * tile_columns(l)) {
        T* in = shared() + inputs_at(l);
        T* Z = epoch.workspace + Z_partials_at(l) + tile_column(l) * BATCH_SIZE * row_stride(l) +
               tile_row(l) * TILE_UNITS;
        for (int first = 0; first < epoch.batch; first += CHUNK) {
            const int m = min(CHUNK, epoch.batch - first);
            if constexpr (l == 1) {  // the next chunk; after the last one the first of `backward`, or of the next step
                bool last = first + CHUNK >= epoch.batch;
                next.load_indices_of_step(epoch, epoch.step + (last && BATCH_SIZE <= CHUNK), last ? 0 : first + CHUNK);
            }
            __syncthreads();
            if constexpr (l == 1) {
                next.store_shared(in);
            } else {
                load_activations<l, SUM_ONCE>(epoch, first, m);
            }
            __syncthreads();
            if constexpr (l == 1) next.prefetch(epoch);
            product<l>(in, shared() + tile_at(l), Z + first * row_stride(l), m);
        }
    }
    grid_barrier(counter, passed);
    if constexpr (l < HIDDEN) {
        if (SUM_ONCE) {
            sum_partials<l, false>(epoch);
            grid_barrier(counter, passed);
        }
        forward<l + 1>(epoch, next, counter, passed);
    }
}

template <int l>
__device__ inline void backward(const Epoch& epoch, PrefetchedChunk& next, unsigned* counter, unsigned& passed) {
    constexpr int SLOT_STRIDE = TILE_UNITS * pitch(l);
    if (blockIdx.x < tile_rows(l) * tile_columns(l)) {
        T *W = shared() + tile_at(l), *in = shared() + inputs_at(l), *delta = shared() + deltas_at();
        Gradient<l> dW;
        T db = T(0);
        dW.clear();
        for (int first = 0; first < epoch.batch; first += CHUNK) {
            const int m = min(CHUNK, epoch.batch - first);
            if constexpr (l == 1 && BATCH_SIZE > CHUNK) {
                bool last = first + CHUNK >= epoch.batch;
                next.load_indices_of_step(epoch, epoch.step + last, last ? 0 : first + CHUNK);
            }
            __syncthreads();
            load_deltas<l>(epoch, first, m);
            if (BATCH_SIZE > CHUNK) {  // otherwise the inputs are still in shared memory
                if constexpr (l == 1) {
                    next.store_shared(in);
                } else {
                    load_activations<l, true>(epoch, first, m);
                }
            }
            __syncthreads();
            if constexpr (l == 1 && BATCH_SIZE > CHUNK) next.prefetch(epoch);
            if constexpr (l > 1) {
                T* dA = epoch.workspace + dA_partials_at(l - 1) +
                        (tile_row(l) * BATCH_SIZE + first) * row_stride(l - 1);
                product_back<l>(delta, W, dA + tile_column(l) * tile_inputs(l), m);
                if (first + CHUNK >= epoch.batch) grid_arrive(counter, passed);  // the rest needs no other thread block
            }
            dW.accumulate(in, delta, m);
            if (tile_column(l) == 0)
                for (int e = threadIdx.x / TILE_UNITS; e < m; e += THREADS / TILE_UNITS)
                    db += delta[e * DELTA_PITCH + threadIdx.x % TILE_UNITS];
        }
        T* partials = shared() + scratch_at();
        __syncthreads();
        dW.store_partials(partials);
        delta[threadIdx.x] = db;
        __syncthreads();
        dW.for_each(partials, [&](int unit, int input, T g) {
            T* p = W + unit * pitch(l) + input;
            apply_update(p, p + SLOT_STRIDE, SLOT_STRIDE, penalized(g, *p, epoch.c), epoch.c, true);
        });
        const int unit = tile_row(l) * TILE_UNITS + threadIdx.x, b = bias_at(l) + unit;
        if (tile_column(l) == 0 && threadIdx.x < TILE_UNITS && unit < size(l)) {
            db = T(0);
            for (int i = threadIdx.x; i < THREADS; i += TILE_UNITS) db += delta[i];
            apply_update(epoch.theta + b, epoch.slots + b, parameters(), db, epoch.c, false);
        }
    } else if constexpr (l > 1) {
        grid_arrive(counter, passed);
    }
    if constexpr (l == HIDDEN) update_output_layer(epoch);
    if constexpr (l > 1) {
        grid_wait(counter, passed);
        if (SUM_ONCE) {
            sum_partials<l - 1, true>(epoch);
            grid_barrier(counter, passed);
        }
        backward<l - 1>(epoch, next, counter, passed);
    }
}

// All steps of `examples` examples. theta and slots are read and written, losses[t] ← J of step t; *counter
// is 0.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    train(const Given* X, const T* Y, const T* weights, const int* order, int examples, const T* coefficients, T* theta,
          T* slots, T* workspace, T* losses, unsigned* counter, const T* mean, const T* deviation) {
    Epoch epoch = {X, Y, weights, order, theta, slots, workspace, losses, examples, coefficients, 0, 0, 0};
    epoch.mean = mean;
    epoch.deviation = deviation;
    unsigned passed = 0;
    PrefetchedChunk next;
    next.load_indices_of_step(epoch, 0, 0);
    next.prefetch(epoch);
    load_weights(epoch);
    next.standardize();
    for (; epoch.first < examples; ++epoch.step, epoch.first += BATCH_SIZE) {
        epoch.batch = min(BATCH_SIZE, examples - epoch.first);
        epoch.c = coefficients + epoch.step * COEFFICIENTS;
        const int row = blockIdx.x < epoch.batch ? example_index(epoch, epoch.first + blockIdx.x) : 0;
        forward<1>(epoch, next, counter, passed);
        if (PENALIZED) square_weights(epoch);
        output_phase(epoch, row);
        grid_arrive(counter, passed);
        next.standardize();
        grid_wait(counter, passed);
        backward<HIDDEN>(epoch, next, counter, passed);
    }
    __syncthreads();
    store_weights(epoch);
}
