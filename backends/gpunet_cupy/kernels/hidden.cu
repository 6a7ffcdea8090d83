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
    for (int first = p; first < m; first += 4 * parts) {
        T d[4], a[4];  // four rows are asked for before the first is used
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int at = (first + j * parts) * N + n;
            bool real = first + j * parts < m;
            d[j] = real ? D[at] : T(0);
            a[j] = real ? A[at] : T(0);
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (first + j * parts >= m) break;
            d[j] = backward_through(G, d[j], a[j]);
            D[(first + j * parts) * N + n] = d[j];
            sum += d[j];
        }
    }
    sums[p * stride + n] = sum;
}
