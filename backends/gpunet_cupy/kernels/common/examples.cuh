// Where an example lies in X, Y and the example weights.
#pragma once

// The row of the example at `position` of the epoch. Without an order, examples are used as they stand.
__device__ inline int example_index(const int* order, int position) { return order ? order[position] : position; }
