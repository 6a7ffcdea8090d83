// Blocked SGD in one cooperative launch: single examples, gradient descent, two hidden layers.
//
// The last MEMBERS thread blocks run the steps one after the other (deep_steps.cuh); the others have the first
// layer (first_layer.cuh).
//
// Macros: those of network.cuh, tiling.cuh, update.cuh, block_state.cuh and deep_steps.cuh, and SHARED_BYTES
// and WORKSPACE, the sizes of shared memory (in bytes) and of the workspace (in values) that the host allocates.
#include "persistent/first_layer.cuh"
#include "persistent/deep_steps.cuh"

static_assert(larger(sizeof(StepState), sizeof(T) * tile_values()) == SHARED_BYTES,
              "the host allocates another size of shared memory");
static_assert(block_workspace() + WORDS * 8 / int(sizeof(T)) == WORKSPACE,
              "the host allocates another size of workspace");

// A member of the group that runs the steps. While the other thread blocks update W and compute the next P, it stores
// losses of a block, and loads what belongs to the next one.
__device__ inline void train_member(const Epoch& epoch, unsigned* counter) {
    unsigned passed = 0;
    StepState& s = *reinterpret_cast<StepState*>(shared_memory);
    unsigned long long* words = reinterpret_cast<unsigned long long*>(epoch.workspace + block_workspace());
    UpperThread upper;
    LowerThread lower;
    const bool is_upper = threadIdx.x < UPPER, is_lower = threadIdx.x < COLUMNS;
    clear_words(words);
    if (is_upper) upper.copy_weights<false>(epoch);
    if (is_lower) lower.copy_bias<false>(epoch);
    grid_barrier(counter, passed);
    for (int begin = 0, block = 0; begin < epoch.examples; begin += CHUNK, ++block) {
        const int count = min(CHUNK, epoch.examples - begin);
        load_examples(epoch, s, begin, count);
        load_corrections(s, count, epoch.workspace + u_G_at(block));
        grid_barrier(counter, passed);
        sum_partials(epoch, count, block);
        grid_barrier(counter, passed);
        run_steps(s, upper, lower, begin, count, epoch.workspace + P_at(), epoch.workspace + D_at(), words);
        grid_barrier(counter, passed);
        store_losses(epoch, s, begin, count, member() * WARPS + threadIdx.x / WARP, MEMBERS * WARPS);
        __syncthreads();
    }
    if (is_upper) upper.copy_weights<true>(epoch);
    if (is_lower) lower.copy_bias<true>(epoch);
}

// All steps of `examples` examples. theta is read and written, losses[t] ← J of step t; *counter is 0.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    train(const T* X, const T* Y, const T* weights, const int* order, int examples, const T* coefficients, T* theta,
          T* slots, T* workspace, T* losses, unsigned* counter) {
    const Epoch epoch = {X, Y, weights, order, theta, slots, workspace, losses, examples, coefficients, 0, 0, 1};
    if (blockIdx.x < TILES) {
        train_tile(epoch, counter);
    } else {
        train_member(epoch, counter);
    }
}
