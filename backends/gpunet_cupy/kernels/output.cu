// Output, loss and δ[L] of the last layer in one pass: N units, activation G, LOSS.

// Rows of a batch stand in Y and weights at order[position], position = step · batch + first + row; without an
// order, at the position itself. The step's number lies on the device, so every step's launch is the same.
__device__ inline int source_of(const int* order, const int* step, int batch, int offset) {
    int position = *step * batch + offset;
    return order ? order[position] : position;
}

// Z (m, N) ← δ[L]; losses[first + row] = w L. One warp a row; `count` is the whole batch, of which m rows from
// `first` on are here.
extern "C" __global__ void output(T* Z, const T* b, const T* Y, const T* weights, const int* order,
                                  const int* step, int batch, int first, int m, int count, T* losses) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    if (row >= m) return;  // a whole warp
    long long source = source_of(order, step, batch, first + row);
    T weight = weights ? weights[source] : T(1);
    T L = output_delta(G, LOSS, N, Z + row * N, b, Y + source * N, weight / T(count));
    if (threadIdx.x % WARP == 0) losses[first + row] = weight * L;
}
