// Rows of X in the order of an epoch: N numbers each, of type INPUT (bytes, say), times SCALE if there is one.
//
// out (m, N) gets rows order[step · batch + first …] of X; one thread an element.
extern "C" __global__ void gather(const INPUT* X, const int* order, const int* step, int batch, int first, int m,
                                  T* out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= m * N) return;
    long long row = order[*step * batch + first + i / N];
    T x = T(X[row * N + i % N]);
#ifdef SCALE
    x *= T(SCALE);
#endif
    out[i] = x;
}
