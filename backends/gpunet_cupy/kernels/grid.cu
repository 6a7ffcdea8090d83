// A barrier for all thread blocks of a grid that are on the GPU at the same time: a cooperative launch.
//
// Blocks count themselves in, and wait until all have. What they wrote before is seen by all afterwards: the count is
// added to with release semantics and read with acquire semantics.

#ifdef __CUDACC__
__device__ inline void add_release(unsigned* count) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(count) : "memory");
}

__device__ inline unsigned load_acquire(const unsigned* count) {
    unsigned value;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(count) : "memory");
    return value;
}
#endif

// `count` starts at 0 with the launch; `passed` counts the barriers behind a block.
__device__ inline void everyone(unsigned* count, unsigned& passed) {
    ++passed;
    __syncthreads();
    if (threadIdx.x == 0) {
        add_release(count);
        while (load_acquire(count) < passed * gridDim.x) {
        }
    }
    __syncthreads();
}
