// CUDA's thread blocks on a CPU, for tests: every thread of a block is a fiber, blocks run one after the other.
//
// A fiber runs until it waits at a barrier, so between barriers threads run one by one, in ascending or descending
// order: a missing barrier shows as a result that depends on the order. Threads that wait at different barriers are
// reported, never waited for. Shared memory starts as NaN in every block, and what lies behind it is watched.
// Blocks that are launched together, to wait for each other, run in a thread of the operating system each.
#include "cuda_on_cpu.h"

#include <sched.h>
#include <setjmp.h>
#include <stdlib.h>
#include <ucontext.h>

#include <thread>
#include <vector>

__thread Place place_in_grid;
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
    Dim index;  // in its block, so that nothing is divided where fibers change
    bool started, done;
};
static __thread Fiber fibers[MOST];
static __thread char* stacks[MOST];
static __thread Group warps[MOST / 32];
static __thread Group block;
static __thread ucontext_t host;
static __thread int fiber_count, current, left, idle, direction;
static __thread bool stuck, together;  // together: launched so that blocks may wait for each other
static __thread double exchanged[2][32][32];
static __thread int parity[MOST];
static __thread void (*body)(void*);
static __thread void* argument;

static void go(int i) {
    current = i;
    threadIdx = fibers[i].index;
    if (fibers[i].started) _longjmp(fibers[i].at, 1);
    fibers[i].started = true;
    setcontext(&fibers[i].start);
}

// Let the next fiber run; comes back when it is this one's turn again.
static void pass() {
    int me = current, count = fiber_count, i = me;
    if (++idle > 2 * count + 2) stuck = true;
    if (stuck || left == 0) setcontext(&host);
    do {
        i += direction;
        if (i == count) i = 0;
        if (i < 0) i = count - 1;
    } while (fibers[i].done);
    if (i == me) return;
    if (_setjmp(fibers[me].at) == 0) go(i);
}

static void release(Group& group) {
    group.arrived = 0;
    ++group.generation;
    idle = 0;
}

static void wait(Group& group) {
    int generation = group.generation;
    if (++group.arrived == group.alive) return release(group);
    while (group.generation == generation) pass();
}

static void leave(Group& group) {
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

// Blocks begin … end of a grid, one after the other.
static int run(Dim grid, Dim threads, size_t shared, bool descending, void (*f)(void*), void* a, int begin, int end) {
    const int count = threads.x * threads.y * threads.z;
    if (count > MOST || shared > SHARED_LIMIT) return 3;
    fiber_count = count;
    gridDim = grid;
    blockDim = threads;
    body = f;
    argument = a;
    direction = descending ? -1 : 1;
    for (int i = 0; i < count; ++i) {
        if (!stacks[i]) stacks[i] = static_cast<char*>(malloc(STACK));
        fibers[i].index = {i % threads.x, i / threads.x % threads.y, i / (threads.x * threads.y)};
    }
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
static int run_together(Dim grid, Dim threads, size_t shared, bool descending, void (*f)(void*), void* a) {
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

int run_grid(Dim grid, Dim threads, size_t shared, bool descending, bool together, void (*f)(void*), void* a) {
    if (together) return run_together(grid, threads, shared, descending, f, a);
    return run(grid, threads, shared, descending, f, a, 0, grid.x * grid.y * grid.z);
}

int lane() { return current % 32; }

double exchange(double value, int from) {
    int lane = current % 32, warp = current / 32, side = parity[current];
    parity[current] ^= 1;  // a lane can be one shuffle ahead of its warp, never two
    exchanged[side][warp][lane] = value;
    Group& group = warps[warp];
    if (group.alive != 32) stuck = true;
    wait(group);
    return exchanged[side][warp][from];
}

}  // namespace emulator

void __syncthreads() { emulator::wait(emulator::block); }

void __syncwarp() {
    emulator::Group& group = emulator::warps[emulator::current / 32];
    if (group.alive != 32) emulator::stuck = true;
    emulator::wait(group);
}

// TF32 matrix units: every lane shows its fragments; each computes its elements of the sum.
static __thread unsigned shown[MOST / 32][32][6];

void multiply_tf32(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
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

unsigned load_acquire(const unsigned* count) {
    if (!emulator::together && gridDim.x > 1) {  // the other blocks have ended, or have not begun
        emulator::stuck = true;
        emulator::pass();
    }
    sched_yield();
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

// A thread that polls lets the other threads of its block run, and now and then the other blocks.
unsigned long long load_relaxed(const unsigned long long* word) {
    static __thread int loads;
    if (++loads % emulator::fiber_count == 0) sched_yield();
    emulator::idle = 0;
    emulator::pass();
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
