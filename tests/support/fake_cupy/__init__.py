"""As much of CuPy as the programs use, on NumPy: their host code runs without a GPU, their kernels on the CPU.

An array of the "device" refuses to become a Python number: that would be a transfer. New arrays hold NaN, so
that reading what nothing wrote shows. Products must write into arrays as cuBLAS could. What CuPy or CUDA refuse is
refused here, too: an array of the host in the place of one of the device, or of another device than the current one, a
grid barrier for more thread blocks than run at once, a product or a copy in a CUDA graph. `cupy_signatures.py` has the
signatures of what is here as they are in CuPy.

`CALLS` counts what the host asks of the device: "launch" (a kernel, an operation of the library, a copy within the
device, a graph), "upload" (a copy from the host), and "wait" (a number or an array that is read back, and other waits).
"""

import sys
import types

import array_api_compat.numpy as numpy_namespace
import numpy as np

from cuda_on_cpu import CALLS, CPointer
from fake_cupy.arrays import (
    HOST,
    MEMORY,
    DeviceArray,
    OutOfMemoryError,
    ascontiguousarray,
    empty,
    to_device,
    to_host,
    zeros,
)
from fake_cupy.device import ATTRIBUTES, ATTRIBUTES_OF, CURRENT, Device, current_device
from fake_cupy.kernels import COMPILED, RawKernel, RawModule
from fake_cupy.products import CUBLASError, bound, gemm, product
from fake_cupy.streams import (
    Event,
    Graph,
    Stream,
    alloc_pinned_memory,
    event_query,
    get_current_stream,
    memcpy_async,
)
from gpunet.devices.registry import load_backend

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTES_OF",
    "CALLS",
    "COMPILED",
    "CURRENT",
    "MEMORY",
    "Device",
    "DeviceArray",
    "Event",
    "OutOfMemoryError",
    "Stream",
    "current_device",
    "install",
    "make_usable",
    "product",
    "to_device",
]


def install(monkeypatch):
    """Put this in the place of CuPy for one test."""
    MEMORY.update(room=None, refused=0, arrays=None, once=False)
    monkeypatch.setitem(HOST, "may_wait", False)
    CALLS.clear()
    COMPILED.clear()
    cupy = types.ModuleType("cupy")
    cupy.empty, cupy.zeros, cupy.ascontiguousarray = empty, zeros, ascontiguousarray
    cupy.ndarray = DeviceArray
    cupy.RawModule, cupy.RawKernel = RawModule, RawKernel
    cupy.__version__ = "14"
    runtime = types.SimpleNamespace(
        runtimeGetVersion=lambda: 13000,
        deviceGetPCIBusId=lambda device: f"0000:{device:02x}:00.0",
        eventQuery=event_query,
        memcpyAsync=memcpy_async,
        memcpyHostToDevice=1,
        memcpyDeviceToHost=2,
    )
    cupy.cuda = types.ModuleType("cupy.cuda")
    vars(cupy.cuda).update(
        Device=Device,
        runtime=runtime,
        function=types.SimpleNamespace(CPointer=CPointer),
        cublas=types.SimpleNamespace(CUBLASError=CUBLASError),
        alloc_pinned_memory=alloc_pinned_memory,
        Stream=Stream,
        Event=Event,
        Graph=Graph,
        get_current_stream=get_current_stream,
    )
    cupy.cublas = types.ModuleType("cupy.cublas")
    cupy.cublas.gemm = gemm
    monkeypatch.setattr("gpunet_cupy.products.product", product)
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.bind", bound)
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.WORKSPACE", 8)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy.cuda", cupy.cuda)
    monkeypatch.setitem(sys.modules, "cupy.cublas", cupy.cublas)
    return cupy


def _on_device(function):
    """The function, whose result is on the device where an argument of it is."""

    def call(*given, **options):
        arrays = [one for some in given for one in (some if isinstance(some, list) else [some])]
        result = function(*given, **options)
        return result.view(DeviceArray) if any(isinstance(one, DeviceArray) for one in arrays) else result

    return call


def make_usable(monkeypatch, devices=("cuda:0",)):
    """Let ``fit`` use the backend, on so many devices, after :func:`install`; returns it."""
    backend = load_backend("cupy")
    namespace = types.SimpleNamespace(**vars(numpy_namespace))
    namespace.arange = lambda *given, device, **options: np.arange(*given, **options).view(DeviceArray)
    namespace.zeros = lambda shape, *, dtype, device: np.zeros(shape, dtype).view(DeviceArray)
    for name in ("asarray", "concat", "stack", "where"):  # NumPy's give arrays of its own
        setattr(namespace, name, _on_device(getattr(numpy_namespace, name)))
    monkeypatch.setattr("gpunet_cupy.kept.KEPT.program", None)

    def to(device):
        return Device(int(device.partition(":")[2]))

    def from_host(array, device):
        with to(device):
            return to_device(array)

    def move(array, device):
        with to(device):
            return array if array.device_id == current_device() else to_device(array)

    for name, function in {
        "unavailable_reason": lambda: None,
        "devices": lambda: list(devices),
        "namespace": lambda: namespace,
        "owns": lambda array: isinstance(array, DeviceArray),
        "from_host": from_host,
        "to_host": to_host,
        "move": move,
    }.items():
        monkeypatch.setattr(backend, name, function)
    monkeypatch.setitem(HOST, "may_wait", True)  # `fit` waits for the device, programs do not
    return backend
