"""Kernels, which a C++ compiler compiles and the CPU runs."""

import math
import operator
import re

import numpy as np

import cuda_on_cpu
from cuda_on_cpu import CPointer
from fake_cupy.arrays import DeviceArray, on_current_device
from fake_cupy.device import Device, current_device

COMPILED = []  # each kernel's name, and for which device it was compiled


class RawKernel(cuda_on_cpu.Kernel):
    """A kernel that is launched on arrays of the current device."""

    def __init__(self, source, name):
        super().__init__(source, name)
        self.shared_sizes = {}  # the limit of shared memory on each device

    @property
    def max_dynamic_shared_size_bytes(self):
        return self.shared_sizes.get(current_device(), 48 * 1024)

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size):
        assert size <= Device().attributes["MaxSharedMemoryPerBlockOptin"]
        self.shared_sizes[current_device()] = size

    def kernel(self, grid, block, args, shared_mem=0, stream=None, enable_cooperative_groups=False):
        for size in (grid, block):
            if not isinstance(size, tuple):
                raise TypeError("sizes of grids and thread blocks are tuples")
        assert 0 < math.prod(map(operator.index, block)) <= 1024
        if enable_cooperative_groups:
            fits = Device().attributes["MultiProcessorCount"]
            assert math.prod(map(operator.index, grid)) <= fits, "CuPy would launch fewer thread blocks"
        assert stream is None
        for value in args:
            if isinstance(value, DeviceArray):
                on_current_device(value)
            elif value is not None and not isinstance(value, int | float | np.generic | CPointer):
                raise TypeError(f"{type(value).__name__} is no argument of a kernel")
        super().kernel(grid, block, args, shared_mem, stream, enable_cooperative_groups)


class RawModule(cuda_on_cpu.RawModule):
    """CuPy's: a kernel is compiled when it is asked for, for the device that is current then."""

    def get_function(self, name):
        assert re.search(rf"\b{name}\(", self.code), f"no kernel {name}"
        COMPILED.append((name, current_device()))
        return RawKernel(self.code, name)
