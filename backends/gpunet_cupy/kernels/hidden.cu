// Elementwise work of one layer with N units and activation G.

// Z ← g(Z + b), (m, N): one thread an element.
extern "C" __global__ void forward(T* Z, const T* b, int m) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < m * N) Z[i] = activate(G, Z[i] + b[i % N]);
}

// D ← D ∘ g′(Z), from A = g(Z), and its sums over the rows for the gradient of b.
//
// Thread (p, n) takes rows p, p + parts, p + 2 parts, … of column n, and writes one partial sum: no atomics, so a
// run repeats bit for bit, and neighbouring threads read neighbouring numbers. `stride` is the length of a row of
// `sums`, which has room for all layers; `more` adds to what earlier pieces of the batch left there.
extern "C" __global__ void backward(T* D, const T* A, T* sums, int m, int parts, int stride, int more) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int p = i / N, n = i % N;
    if (p >= parts) return;
    T sum = more ? sums[p * stride + n] : T(0);
    for (int r = p; r < m; r += parts) {
        T d = backward_through(G, D[r * N + n], A[r * N + n]);
        D[r * N + n] = d;
        sum += d;
    }
    sums[p * stride + n] = sum;
}
