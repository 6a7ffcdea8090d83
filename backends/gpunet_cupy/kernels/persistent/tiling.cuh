// How hidden layers are cut into tiles, one tile of each layer per thread block: all of them, or the first ones.
//
// A tile is the weights from `tile_inputs(l)` inputs to TILE_UNITS units of layer l. In shared memory are,
// with rows of `pitch(l)` values: the weights, their slots, and the tile's inputs for a chunk of examples;
// with rows of DELTA_PITCH values: δ of the tile's units for a chunk. A pitch is an odd multiple of 8, so
// that neighbouring rows start in different banks. Elements past a layer's end are 0. gpunet_cupy/tiling.py
// computes the same sizes.
//
// Macros besides those of network.cuh: TILE_INPUTS (of each tiled layer; entry 0 is unused), CHUNK, THREADS (256 or
// 512).
#pragma once
#include "common/network.cuh"

#define TILE_UNITS 32
#define DELTA_PITCH (TILE_UNITS + 8)

__device__ constexpr int tile_inputs(int l) {
    constexpr int n[] = TILE_INPUTS;
    return n[l];
}
__device__ constexpr int tiled_layers() {
    constexpr int n[] = TILE_INPUTS;
    return sizeof n / sizeof n[0] - 1;
}
__device__ constexpr int pitch(int l) { return tile_inputs(l) % 16 ? tile_inputs(l) : tile_inputs(l) + 8; }

// Values from one example to the next, in arrays (m, n[l]) in global memory.
__device__ constexpr int row_stride(int l) { return (size(l) + 3) / 4 * 4; }

// Tiles of layer l: rows of units and columns of inputs. Thread block i has tile i, counted along the rows.
__device__ constexpr int tile_rows(int l) { return (size(l) + TILE_UNITS - 1) / TILE_UNITS; }
__device__ constexpr int tile_columns(int l) { return (size(l - 1) + tile_inputs(l) - 1) / tile_inputs(l); }
__device__ inline int tile_row(int l) { return blockIdx.x / tile_columns(l); }
__device__ inline int tile_column(int l) { return blockIdx.x % tile_columns(l); }

#define TILES (tile_rows(1) * tile_columns(1))  // of the first layer
