// Class numbers as rows with a 1.
//
// Macros: TARGET, the type of class numbers.
using Target = TARGET;

// out (m, units) ← 1 where the column is the row's class, else 0: one thread per value.
extern "C" __global__ void one_hot(const Target* classes, int units, long long count, T* out) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = double(classes[i / units]) == double(i % units) ? T(1) : T(0);  // a byte may be too small
}
