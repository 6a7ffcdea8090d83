// CUDA's thread blocks on a CPU, for tests: every thread of a block is a fiber, blocks run one after the other.
//
// A fiber runs until it waits at a barrier, so between barriers threads run one by one, in ascending or descending
// order: a missing barrier shows as a result that depends on the order. Threads that wait at different barriers are
// reported, never waited for. Shared memory starts as NaN in every block, and what lies behind it is watched.
// Blocks that are launched together, to wait for each other, run in a thread of the operating system each.
#ifndef CUDA_ON_CPU
#define CUDA_ON_CPU
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <thread>
#include <vector>

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
static thread_local Dim threadIdx, blockIdx, blockDim, gridDim;
static const int MOST = 1024;  // threads a block
static const size_t SHARED_LIMIT = 1 << 18, STACK = 1 << 16;
thread_local unsigned char shared_memory[SHARED_LIMIT + 64] __align__(64);

namespace emulator {

struct Group {  // of threads that wait for each other
    int alive, arrived, generation;
};
struct Fiber {
    ucontext_t start;
    jmp_buf at;
    bool started, done;
};
static thread_local Fiber fibers[MOST];
static thread_local char* stacks[MOST];
static thread_local Group warps[MOST / 32];
static thread_local Group block;
static thread_local ucontext_t host;
static thread_local int fiber_count, current, left, idle, direction;
static thread_local bool stuck, together;  // together: launched so that blocks may wait for each other
static thread_local double exchanged[2][32][32];
static thread_local int parity[MOST];
static thread_local void (*body)(void*);
static thread_local void* argument;

inline void set_index(int i) {
    current = i;
    threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
}

inline void go(int i) {
    set_index(i);
    if (fibers[i].started) _longjmp(fibers[i].at, 1);
    fibers[i].started = true;
    setcontext(&fibers[i].start);
}

// Let the next fiber run; comes back when it is this one's turn again.
inline void pass() {
    int me = current, count = fiber_count, i = me;
    if (++idle > 2 * count + 2) stuck = true;
    if (stuck || left == 0) setcontext(&host);
    do i = (i + direction + count) % count;
    while (fibers[i].done);
    if (i == me) return;
    if (_setjmp(fibers[me].at) == 0) go(i);
}

inline void release(Group& group) {
    group.arrived = 0;
    ++group.generation;
    idle = 0;
}

inline void wait(Group& group) {
    int generation = group.generation;
    if (++group.arrived == group.alive) return release(group);
    while (group.generation == generation) pass();
}

inline void leave(Group& group) {
    --group.alive;
    if (group.alive > 0 && group.arrived == group.alive) release(group);
}

static void run_fiber() {
    body(argument);
    fibers[current].done = true;
    --left;
    idle = 0;
    leave(block);
    Group& warp = warps[current / 32];
    if (warp.arrived > 0) stuck = true;  // a shuffle that not all lanes take part in
    leave(warp);
    pass();
}

// Blocks begin … end of a grid, one after the other. Returns 0; 1 if threads wait for each other in vain; 2 if shared
// memory was overrun.
inline int run(Dim grid, Dim threads, size_t shared, bool descending, void (*f)(void*), void* a, int begin, int end) {
    const int count = threads.x * threads.y * threads.z;
    if (count > MOST || shared > SHARED_LIMIT) return 3;
    fiber_count = count;
    gridDim = grid;
    blockDim = threads;
    body = f;
    argument = a;
    direction = descending ? -1 : 1;
    for (int i = 0; i < count; ++i)
        if (!stacks[i]) stacks[i] = static_cast<char*>(malloc(STACK));
    for (int b = begin; b < end; ++b) {
        blockIdx = {b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y)};
        memset(shared_memory, 0xff, shared + 64);
        memset(warps, 0, sizeof warps);
        for (int i = 0; i < count; ++i) {
            ++warps[i / 32].alive;
            fibers[i].started = fibers[i].done = false;
            getcontext(&fibers[i].start);
            fibers[i].start.uc_stack.ss_sp = stacks[i];
            fibers[i].start.uc_stack.ss_size = STACK;
            makecontext(&fibers[i].start, run_fiber, 0);
        }
        memset(parity, 0, sizeof parity);
        block = {count, 0, 0};
        left = count;
        idle = 0;
        stuck = false;
        volatile bool begun = false;
        getcontext(&host);
        if (!begun) {
            begun = true;
            go(descending ? count - 1 : 0);
        }
        if (stuck) return 1;
        for (int i = 0; i < 64; ++i)
            if (shared_memory[shared + i] != 0xff) return 2;
    }
    return 0;
}

// Blocks that wait for each other.
inline int run_together(Dim grid, Dim threads, size_t shared, bool descending, void (*f)(void*), void* a) {
    std::vector<int> codes(grid.x);
    std::vector<std::thread> blocks;
    for (int b = 0; b < grid.x; ++b)
        blocks.emplace_back([=, &codes] {
            together = true;
            codes[b] = run(grid, threads, shared, descending, f, a, b, b + 1);
            for (char* stack : stacks) free(stack);
        });
    int code = 0;
    for (int b = 0; b < grid.x; ++b) {
        blocks[b].join();
        if (codes[b]) code = codes[b];
    }
    return code;
}

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
    if (together) return run_together(g, t, shared, descending, Call<A...>::one, &call);
    return run(g, t, shared, descending, Call<A...>::one, &call, 0, g.x * g.y * g.z);
}

template <class... A>
int parameters(void (*)(A...), size_t* sizes) {
    size_t all[] = {sizeof(A)...};
    for (size_t i = 0; i < sizeof...(A); ++i) sizes[i] = all[i];
    return int(sizeof...(A));
}

}  // namespace emulator

inline void __syncthreads() { emulator::wait(emulator::block); }

inline void __syncwarp() {
    emulator::Group& group = emulator::warps[emulator::current / 32];
    if (group.alive != 32) emulator::stuck = true;
    emulator::wait(group);
}

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

// TF32 matrix units: every lane shows its fragments; each computes its elements of the sum.
static thread_local unsigned shown[MOST / 32][32][6];

inline void multiply_tf32(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    const int lane = emulator::current % 32, warp = emulator::current / 32;
    for (int i = 0; i < 4; ++i) shown[warp][lane][i] = a[i] & 0xffffe000u;
    for (int i = 0; i < 2; ++i) shown[warp][lane][4 + i] = b[i] & 0xffffe000u;
    __syncwarp();
    float added[4];
    for (int i = 0; i < 4; ++i) {
        const int row = lane / 4, column = lane % 4 * 2 + i % 2;
        double terms = sum[i];
        for (int k = 0; k < 8; ++k)
            terms += double(__uint_as_float(shown[warp][row * 4 + k % 4][i / 2 + k / 4 * 2])) *
                     __uint_as_float(shown[warp][column * 4 + k % 4][4 + k / 4]);
        added[i] = float(terms);
    }
    __syncwarp();
    for (int i = 0; i < 4; ++i) sum[i] = added[i];
}

inline int min(int a, int b) { return a < b ? a : b; }

inline void add_release(unsigned* count) { __atomic_fetch_add(count, 1u, __ATOMIC_RELEASE); }

inline unsigned load_acquire(const unsigned* count) {
    if (!emulator::together && gridDim.x > 1) {  // the other blocks have ended, or have not begun
        emulator::stuck = true;
        emulator::pass();
    }
    sched_yield();
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

inline void store_relaxed(unsigned long long* word, unsigned long long value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

// A thread that polls lets the other threads of its block run, and now and then the other blocks.
inline unsigned long long load_relaxed(const unsigned long long* word) {
    static thread_local int loads;
    if (++loads % emulator::fiber_count == 0) sched_yield();
    emulator::idle = 0;
    emulator::pass();
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

// Every lane shows its value and sees that of lane `from`.
template <class V>
V exchange(V value, int from) {
    using namespace emulator;
    int lane = current % 32, warp = current / 32, side = parity[current];
    parity[current] ^= 1;  // a lane can be one shuffle ahead of its warp, never two
    exchanged[side][warp][lane] = value;
    Group& group = warps[warp];
    if (group.alive != 32) stuck = true;
    wait(group);
    return V(exchanged[side][warp][from]);
}

template <class V>
V __shfl_xor_sync(unsigned, V value, int mask) {
    return exchange(value, emulator::current % 32 ^ mask);
}

template <class V>
V __shfl_sync(unsigned, V value, int lane) {
    return exchange(value, lane);
}

#endif
