// The last layer of a batch and its gradient in one pass over Z[L − 1]: each thread block takes one row after the other
// (head.cu), and sums what they add to the gradients in registers.
//
// Macros: N units below with activation BELOW, OUTPUTS with activation TOP, LOSS, THREADS.

// Z (m, N): from X W[L − 1]ᵀ, without biases, to δ[L − 1]; losses[first + row] = w L. `sums_W` (blocks, OUTPUTS · N) gets
// each block's share of dW[L]; `sums` (blocks, stride), which has room for all layers' biases, that of db[L − 1] and db[L].
// `count` is the whole batch, of which m rows from `first` on are here; `more` adds to what earlier pieces left in the sums.
extern "C" __global__ void __launch_bounds__(THREADS)
    head(T* Z, const T* W, const T* below, const T* biases, const T* Y, const T* weights, const int* order,
         const int* step, int batch, int first, int m, int count, T* losses, T* sums_W, T* sums_below, T* sums_out,
         int stride, int more) {
    using Top = Head<N, OUTPUTS, BELOW, TOP>;
    constexpr int EACH = Top::EACH;
    Top head;
    T dW[EACH][OUTPUTS] = {}, db[EACH] = {}, db_out = T(0);
    head.take(W, below, biases);
    const int lane = head.output(), begin = *step * batch + first;
    T next[EACH] = {};
#pragma unroll
    for (int i = 0; i < EACH; ++i)
        if (head.real(i) && blockIdx.x < m) next[i] = Z[(long long)blockIdx.x * N + head.unit(i)];
    for (int row = blockIdx.x; row < m; row += gridDim.x) {
        T z[EACH], a[EACH], L;
        T* here = Z + (long long)row * N;
        const long long source = order ? order[begin + row] : begin + row;
        const T weight = weights ? weights[source] : T(1), y = lane < OUTPUTS ? Y[source * OUTPUTS + lane] : T(0);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            z[i] = next[i];
            if (head.real(i) && row + gridDim.x < m) next[i] = here[(long long)gridDim.x * N + head.unit(i)];
        }
        const T delta = head.example(z, a, y, weight / T(count), reinterpret_cast<T*>(memory), L);
        db_out += delta;
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) {
            T up = __shfl_sync(ALL_LANES, delta, k);
#pragma unroll
            for (int i = 0; i < EACH; ++i) dW[i][k] += up * a[i];
        }
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            db[i] += z[i];
            if (head.real(i)) here[head.unit(i)] = z[i];
        }
        if (threadIdx.x == 0) losses[first + row] = weight * L;
    }
#pragma unroll
    for (int i = 0; i < EACH; ++i)
        if (head.real(i)) {
            T* sum = sums_below + blockIdx.x * stride + head.unit(i);
            *sum = (more ? *sum : T(0)) + db[i];
#pragma unroll
            for (int k = 0; k < OUTPUTS; ++k) {
                sum = sums_W + (blockIdx.x * OUTPUTS + k) * N + head.unit(i);
                *sum = (more ? *sum : T(0)) + dW[i][k];
            }
        }
    if (threadIdx.x < OUTPUTS) {
        T* sum = sums_out + blockIdx.x * stride + threadIdx.x;
        *sum = (more ? *sum : T(0)) + db_out;
    }
}
