// The end of a step: parameters follow their gradients (C19, C20, C21), and the loss of the batch.
//
// All parameters lie in one array: W[1] … W[L], WEIGHTS numbers, then b[1] … b[L], BIASES numbers; slots likewise,
// one array of them after the other. What changes from step to step is read from row `*step` of `coefficients`.

// The sum of `parts` numbers, `apart` from each other, in their order.
__device__ inline T sum_of(const T* x, int parts, int apart) {
    T sum = T(0);
#pragma unroll 16
    for (int part = 0; part < parts; ++part) sum += x[part * apart];
    return sum;
}

// One thread a parameter. Gradients of the biases come as partial sums, (parts, BIASES), and so do those of the last LATE
// weights, (parts, LATE).
extern "C" __global__ void update(T* theta, T* slots, const T* gradient, const T* sums_W, const T* sums, int parts,
                                  const T* coefficients, const int* step) {
    const int total = WEIGHTS + BIASES;
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    const T* c = coefficients + *step * COEFFICIENTS;
    T g = i < WEIGHTS - LATE ? gradient[i]
          : i < WEIGHTS      ? sum_of(sums_W + i - (WEIGHTS - LATE), parts, LATE)
                             : sum_of(sums + i - WEIGHTS, parts, BIASES);
    follow(theta + i, slots + i, total, g, c, i < WEIGHTS);
}

// losses[*step] = J, the mean of the losses of `examples`, of which there are n sums; then the next step begins. One block,
// whose shared memory holds a number a thread.
extern "C" __global__ void finish(const T* sums, int n, int examples, T* losses, int* step) {
    double* partial = reinterpret_cast<double*>(memory);
    double sum = 0.0;
#pragma unroll 8
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += sums[i];
    partial[threadIdx.x] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {  // blockDim.x is a power of two
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        losses[*step] = T(partial[0] / examples);
        *step += 1;
    }
}
