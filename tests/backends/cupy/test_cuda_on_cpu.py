"""The emulator itself: what it must compute, and the mistakes it must notice."""

import numpy as np
import pytest

COMMON = "extern __shared__ __align__(16) unsigned char shared_memory[];\n"
REVERSED = (
    COMMON
    + """
extern "C" __global__ void reverse(const int* x, int* y) {
    int* shared = reinterpret_cast<int*>(shared_memory);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    shared[threadIdx.x] = x[i];
    BARRIER
    y[i] = shared[blockDim.x - 1 - threadIdx.x];
}
"""
)
SUM = """
extern "C" __global__ void sum(const int* x, int* y) {
    int v = x[threadIdx.x];
    for (int o = 16; o > 0; o /= 2) v += __shfl_xor_sync(0xffffffffu, v, o);
    y[threadIdx.x] = v;
}
"""


def run(cpu, source, name, x, grid, block, shared=0):
    y = np.zeros_like(x)
    cpu.RawModule(code=source).get_function(name)((grid,), (block,), (x, y), shared_mem=shared)
    return y


def test_barriers_and_shared_memory(cpu, thread_order):
    x = np.arange(3 * 50, dtype=np.int32)
    y = run(cpu, REVERSED.replace("BARRIER", "__syncthreads();"), "reverse", x, 3, 50, 200)
    assert np.array_equal(y, x.reshape(3, 50)[:, ::-1].ravel())


def test_a_missing_barrier_gives_another_result(cpu, thread_order):
    x = np.arange(50, dtype=np.int32)
    y = run(cpu, REVERSED.replace("BARRIER", ""), "reverse", x, 1, 50, 200)
    assert not np.array_equal(y, x[::-1])


def test_shuffles(cpu, thread_order):
    x = np.arange(96, dtype=np.int32)
    assert np.array_equal(run(cpu, SUM, "sum", x, 1, 96), np.repeat(x.reshape(3, 32).sum(axis=1), 32))


@pytest.mark.parametrize(
    "inside", ["if (threadIdx.x < 40) __syncthreads(); else __shfl_xor_sync(~0u, 1, 1);"]
)
def test_threads_at_different_barriers_are_reported(inside, cpu, thread_order):
    x = np.arange(64, dtype=np.int32)
    with pytest.raises(AssertionError, match="in vain"):
        run(cpu, REVERSED.replace("BARRIER", inside), "reverse", x, 1, 64, 256)


def test_a_shuffle_without_all_lanes_is_reported(cpu, thread_order):
    x = np.arange(40, dtype=np.int32)
    with pytest.raises(AssertionError, match="in vain"):
        run(cpu, SUM, "sum", x, 1, 40)


def test_an_overrun_of_shared_memory_is_reported(cpu, thread_order):
    x = np.arange(50, dtype=np.int32)
    with pytest.raises(AssertionError, match="overrun"):
        run(cpu, REVERSED.replace("BARRIER", "__syncthreads();"), "reverse", x, 1, 50, 196)


def test_wrong_arguments_are_reported(cpu):
    kernel = cpu.RawModule(code=SUM).get_function("sum")
    x = np.zeros(32, np.int32)
    with pytest.raises(AssertionError, match="takes 2 arguments"):
        kernel((1,), (32,), (x,))
    with pytest.raises(AssertionError, match="has 8 bytes, got 4"):
        kernel((1,), (32,), (x, np.int32(1)))


ALL_BLOCKS = """
extern "C" __global__ void all_blocks(unsigned* counter, int* y) {
    __syncthreads();
    if (threadIdx.x == 0) {
        add_release(counter);
        while (load_acquire(counter) < unsigned(gridDim.x)) {
        }
    }
    __syncthreads();
    y[blockIdx.x * blockDim.x + threadIdx.x] = *counter;
}
"""


def test_blocks_that_wait_for_each_other_must_be_launched_together(cpu, thread_order):
    kernel = cpu.RawModule(code=ALL_BLOCKS).get_function("all_blocks")
    y = np.zeros(3 * 32, np.int32)
    kernel.kernel((3,), (32,), (np.zeros(1, np.uint32), y), enable_cooperative_groups=True)
    assert (y == 3).all()
    with pytest.raises(AssertionError, match="in vain"):
        kernel((3,), (32,), (np.zeros(1, np.uint32), y))
