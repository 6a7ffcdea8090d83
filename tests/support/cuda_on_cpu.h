// CUDA's words for a CPU, in front of a kernel's source: what its threads call is in `cuda_on_cpu.cpp`, which is compiled
// once. This is compiled with each of hundreds of kernels, so it has nothing that takes a compiler long.
#ifndef CUDA_ON_CPU
#define CUDA_ON_CPU
#include <math.h>
#include <stddef.h>
#include <string.h>

#define __global__
#define __device__
#define __shared__ thread_local
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __grid_constant__

struct Dim {
    int x, y, z;
};
struct Place {  // one variable of a thread, whose address a function has to look up once
    Dim thread, block, threads, blocks;
};
extern __thread Place place_in_grid;
#define threadIdx place_in_grid.thread
#define blockIdx place_in_grid.block
#define blockDim place_in_grid.threads
#define gridDim place_in_grid.blocks
extern thread_local unsigned char shared_memory[];

namespace emulator {

// Runs f(a) as every thread of a grid. Returns 0; 1 if threads wait for each other in vain; 2 if shared memory was
// overrun; 3 if a block has too many threads or too much shared memory.
int run_grid(Dim grid, Dim threads, size_t shared, bool descending, bool together, void (*f)(void*), void* a);

// Every lane of a warp shows its value and sees that of lane `from`.
double exchange(double value, int from);
int lane();

// 0, 1, …, the number of a kernel's parameters.
template <int... I>
struct Numbers {};
template <int N, int... I>
struct Count : Count<N - 1, N - 1, I...> {};
template <int... I>
struct Count<0, I...> {
    typedef Numbers<I...> all;
};

// Calls kernel(*args[0], *args[1], …), each of the type that the kernel takes.
template <class... A>
struct Call {
    void (*kernel)(A...);
    void** args;
    template <int... I>
    void with(Numbers<I...>) {
        kernel(*static_cast<A*>(args[I])...);
    }
    static void one(void* self) { static_cast<Call*>(self)->with(typename Count<sizeof...(A)>::all()); }
};

template <class... A>
int launch(void (*kernel)(A...), void** args, const int* grid, const int* threads, size_t shared, int descending,
           int together) {
    Call<A...> call = {kernel, args};
    Dim g = {grid[0], grid[1], grid[2]}, t = {threads[0], threads[1], threads[2]};
    return run_grid(g, t, shared, descending, together, Call<A...>::one, &call);
}

template <class... A>
int parameters(void (*)(A...), size_t* sizes) {
    size_t all[] = {sizeof(A)...};
    for (size_t i = 0; i < sizeof...(A); ++i) sizes[i] = all[i];
    return int(sizeof...(A));
}

}  // namespace emulator

void __syncthreads();
void __syncwarp();
void multiply_tf32(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]);
unsigned load_acquire(const unsigned* count);
unsigned long long load_relaxed(const unsigned long long* word);

inline unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float __uint_as_float(unsigned bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

inline int min(int a, int b) { return a < b ? a : b; }

inline void add_release(unsigned* count) { __atomic_fetch_add(count, 1u, __ATOMIC_RELEASE); }

inline void store_relaxed(unsigned long long* word, unsigned long long value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

template <class V>
V __shfl_xor_sync(unsigned, V value, int mask) {
    return V(emulator::exchange(value, emulator::lane() ^ mask));
}

template <class V>
V __shfl_sync(unsigned, V value, int lane) {
    return V(emulator::exchange(value, lane));
}

#endif
