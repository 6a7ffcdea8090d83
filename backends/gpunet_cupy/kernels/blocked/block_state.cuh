// The state of a block of updates in blocked SGD, in the shared memory of one thread block.
//
// Macros besides those of network.cuh (1 to 3 layers; those of absent layers have size 0) and update.cuh:
// BLOCK, examples per block at most; BATCH_SIZE; THREADS; SHARED_BYTES, the size of shared memory that the
// host allocates.
#pragma once
#include "common/network.cuh"
#include "common/shared_memory.cuh"
#include "common/update.cuh"

#define OUTPUTS (size(LAYERS))
#define BIASES (size(1) + size(2) + size(3))
#define LATER_WEIGHTS (size(1) * size(2) + size(2) * size(3))  // of W[2] and W[3]
#define AT_LEAST_1(n) ((n) > 0 ? (n) : 1)

struct BlockState {
    double u[BLOCK], r[BLOCK];                     // recurrence.cuh: coefficients of each example's gradient
    double w, q, p, spare;                         // and of W₀ and V₀
    T D[BLOCK][size(1)];                           // P on entry; row i becomes δ[1] of example i
    T G[BLOCK * BLOCK];                            // (count, count)
    T u_G[BATCH_SIZE][BLOCK];                      // u_i G_ij for the examples j of one step
    T A[BATCH_SIZE][BIASES];                       // activations of all layers; in the backward pass, δ
    T Y[BLOCK][OUTPUTS];
    T weight[BLOCK];
    T L[BATCH_SIZE];
    T b[BIASES];
    T W[AT_LEAST_1(LATER_WEIGHTS)];                // W[2], W[3]
    T slot_b[SLOTS ? BIASES : 1];
    T slot_W[SLOTS ? AT_LEAST_1(LATER_WEIGHTS) : 1];
};
static_assert(sizeof(BlockState) == SHARED_BYTES, "the host allocates another size of shared memory");

// Positions of layer l in A and b, and of W[l] in W.
__device__ constexpr int units_at(int l) { return l == 1 ? 0 : l == 2 ? size(1) : size(1) + size(2); }
__device__ constexpr int weights_at(int l) { return l == 3 ? size(1) * size(2) : 0; }
