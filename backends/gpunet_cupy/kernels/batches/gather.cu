// Copy examples of X in the order of the epoch.
//
// Macros: INPUTS, values per example.

// out (m, INPUTS) ← rows order[*step · batch_size + first …] of X; one thread per value.
extern "C" __global__ void gather(const T* X, const int* order, const int* step, int batch_size, int first, int m,
                                  T* out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= m * INPUTS) return;
    long long row = order[*step * batch_size + first + i / INPUTS];
    out[i] = X[row * INPUTS + i % INPUTS];
}
