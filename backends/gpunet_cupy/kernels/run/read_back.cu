// What the host reads after the steps of a call: their losses, and whether the parameters are finite.
//
// Macros: THREADS.

// out[t] ← losses[t]; out[steps + i] ← whether thread block i saw a parameter that is not finite.
extern "C" __global__ void read_back(const T* losses, int steps, const T* theta, long long count, T* out) {
    __shared__ int not_finite;
    const long long first = (long long)blockIdx.x * THREADS + threadIdx.x, step = (long long)gridDim.x * THREADS;
    if (threadIdx.x == 0) not_finite = 0;
    __syncthreads();
    for (long long t = first; t < steps; t += step) out[t] = losses[t];
    for (long long i = first; i < count; i += step)
        if (!(theta[i] - theta[i] == T(0))) not_finite = 1;
    __syncthreads();
    if (threadIdx.x == 0) out[steps + blockIdx.x] = T(not_finite);
}
