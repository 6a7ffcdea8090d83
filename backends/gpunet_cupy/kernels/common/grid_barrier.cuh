// A barrier for all thread blocks of a grid that run at the same time: the kernel needs a cooperative launch.
//
// Each thread block adds 1 to a counter in global memory, with release semantics, and waits until all have,
// reading it with acquire semantics: what was written before the barrier is visible to all thread blocks
// after it.
#pragma once

#ifdef __CUDACC__  // the CPU emulator of the tests has its own
__device__ inline void add_release(unsigned* counter) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
}

__device__ inline unsigned load_acquire(const unsigned* counter) {
    unsigned value;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(counter) : "memory");
    return value;
}
#endif

// The first half of a barrier: what was written before it is visible after the others' second half. `counter` is 0 when
// the kernel starts; `passed` counts the barriers that this thread block has arrived at.
__device__ inline void grid_arrive(unsigned* counter, unsigned& passed) {
    ++passed;
    __syncthreads();
    if (threadIdx.x == 0) add_release(counter);
}

// The second half: wait until all thread blocks have arrived.
__device__ inline void grid_wait(const unsigned* counter, unsigned passed) {
    if (threadIdx.x == 0)
        while (load_acquire(counter) < passed * gridDim.x) {
        }
    __syncthreads();
}

__device__ inline void grid_barrier(unsigned* counter, unsigned& passed) {
    grid_arrive(counter, passed);
    grid_wait(counter, passed);
}
