// Blocked SGD in one cooperative launch: single examples, gradient descent, one hidden layer.
//
// The last thread block runs the steps one after the other (sequential_steps.cuh); the others have the first
// layer (first_layer.cuh).
//
// Macros: those of network.cuh, tiling.cuh, update.cuh, block_state.cuh, and SHARED_BYTES and WORKSPACE, the
// sizes of shared memory (in bytes) and of the workspace (in values) that the host allocates.
#include "persistent/first_layer.cuh"
#include "persistent/sequential_steps.cuh"

static_assert(larger(sizeof(StepState), sizeof(T) * tile_values()) == SHARED_BYTES,
              "the host allocates another size of shared memory");
static_assert(block_workspace() == WORKSPACE, "the host allocates another size of workspace");

// Copy the last layer and the biases, which the last thread block owns, between theta and shared memory, and
// their momentum.
template <bool STORE>
__device__ inline void copy_own(const Epoch& epoch) {
    StepState& s = *reinterpret_cast<StepState*>(shared_memory);
    for (int slot = 0; slot <= SLOTS; ++slot) {
        OwnParameters& own = s.own[slot];
        T* all = slot ? epoch.slots : epoch.theta;
        for (int i = threadIdx.x; i < (OUTPUTS + 1) * MAX_UNITS + OUTPUTS; i += THREADS) {
            int row = i / MAX_UNITS, n = i % MAX_UNITS;
            T* local = row < OUTPUTS ? &own.W[row][n] : row == OUTPUTS ? &own.b[n] : &own.b_out[n];
            T* global = all + (row < OUTPUTS ? weights_at(2) + row * size(1) : bias_at(row - OUTPUTS + 1)) + n;
            bool in_range = row > OUTPUTS || n < size(1);
            if (!STORE) *local = in_range ? *global : T(0);
            else if (in_range) *global = *local;
        }
    }
}

// The last thread block: it runs the steps. While the others update W and compute the next P, it stores the losses of
// a block, and loads what belongs to the next one.
__device__ inline void train_sequential(const Epoch& epoch, unsigned* counter) {
    unsigned passed = 0;
    StepState& s = *reinterpret_cast<StepState*>(shared_memory);
    copy_own<false>(epoch);
    grid_barrier(counter, passed);
    for (int begin = 0, block = 0; begin < epoch.examples; begin += CHUNK, ++block) {
        const int count = min(CHUNK, epoch.examples - begin);
        load_examples(epoch, s, begin, count);
        load_corrections(s, count, epoch.workspace + u_G_at(block));
        grid_barrier(counter, passed);
        sum_partials(epoch, count, block);
        grid_barrier(counter, passed);
        run_steps(count, epoch.workspace + P_at(), epoch.workspace + D_at());
        grid_barrier(counter, passed);
        store_losses(epoch, s, begin, count, threadIdx.x / WARP, WARPS);
        __syncthreads();
    }
    copy_own<true>(epoch);
}

// All steps of `examples` examples. theta is read and written, losses[t] ← J of step t; *counter is 0.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    train(const T* X, const T* Y, const T* weights, const int* order, int examples, const T* coefficients, T* theta,
          T* slots, T* workspace, T* losses, unsigned* counter) {
    const Epoch epoch = {X, Y, weights, order, theta, slots, workspace, losses, examples, coefficients, 0, 0, 1};
    if (blockIdx.x == gridDim.x - 1) {
        train_sequential(epoch, counter);
    } else {
        train_tile(epoch, counter);
    }
}
