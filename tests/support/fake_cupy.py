"""As much of CuPy as the programs use, on NumPy: their host code runs without a GPU, their kernels on the CPU.

An array of the "device" refuses to become a Python number: that would be a transfer. New arrays hold NaN, so
that reading what nothing wrote shows. Products must write into arrays as cuBLAS could. What CuPy or CUDA refuse is
refused here, too: an array of the host in the place of one of the device, or of another device than the current one, a
grid barrier for more thread blocks than run at once, a product or a copy in a CUDA graph. `cupy_signatures.py` has the
signatures of what is here as they are in CuPy.

`CALLS` counts what the host asks of the device: "launch" (a kernel, an operation of the library, a copy within the
device, a graph), "upload" (a copy from the host), and "wait" (a number or an array that is read back, and other waits).
"""

import ctypes
import itertools
import math
import operator
import re
import sys
import threading
import types
import weakref

import array_api_compat.numpy as numpy_namespace
import numpy as np

import cuda_on_cpu
from cuda_on_cpu import CALLS, CAPTURED, CPointer
from gpunet.devices.registry import load_backend
from rounded_products import rounded

# Bytes that one new array may have, and how many arrays were refused: nobody should ask for ever. Arrays that there is
# room for before one is refused; whether that is the only one.
MEMORY = {"room": None, "refused": 0, "arrays": None, "once": False}


def allocate(bytes_wanted):
    """Count a new array, or refuse it."""
    CALLS["allocation"] += 1
    refused = MEMORY["room"] is not None and bytes_wanted > MEMORY["room"]
    if MEMORY["arrays"] is not None:
        MEMORY["arrays"] -= 1
        refused |= MEMORY["arrays"] == -1 if MEMORY["once"] else MEMORY["arrays"] < 0
    if refused:
        MEMORY["refused"] += 1
        assert MEMORY["refused"] < 50, "memory is asked for over and over"
        raise OutOfMemoryError(bytes_wanted, 0)


class OutOfMemoryError(MemoryError):
    """CuPy's."""

    def __init__(self, size, total, limit=0):
        super().__init__("out of memory")


HOST = {"may_wait": False}  # whether arrays may become numbers


class _Current(threading.local):
    """What each thread has of its own: its devices and streams, the current ones last."""

    def __init__(self):
        self.devices, self.streams = [], []


CURRENT = _Current()


def current_device():
    return CURRENT.devices[-1] if CURRENT.devices else 0


def on_current_device(array):
    """The array, which whoever works with it finds on the current device."""
    assert array.device_id == current_device(), (
        f"an array of device {array.device_id}, while device {current_device()} is the current one"
    )
    return array


def not_captured():
    assert not CAPTURED, "a graph is being captured: kernels alone may be in it"


def waits(function):
    """A method of an array that reads it back."""

    def method(self, *given):
        assert HOST["may_wait"], "a number was read back from the device"
        not_captured()
        CALLS["wait"] += 1
        return function(self.view(np.ndarray), *given)

    return method


class DeviceArray(np.ndarray):
    """An array on the device."""

    def __array_finalize__(self, source):
        self.device_id = source.device_id if isinstance(source, DeviceArray) else current_device()

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self.ctypes.data)

    @property
    def device(self):
        return Device(self.device_id)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        CALLS["launch"] += 1
        not_captured()

        def plain(array):
            if isinstance(array, DeviceArray):
                return on_current_device(array).view(np.ndarray)
            if isinstance(array, np.ndarray) and array.ndim > 0:
                raise TypeError("an array of the host in an operation of the device")
            return array

        if out is None:
            allocate(0)
        else:
            options["out"] = tuple(map(plain, out))
        result = getattr(ufunc, method)(*map(plain, inputs), **options)
        return np.asarray(result).view(DeviceArray) if out is None else out[0]

    def astype(self, dtype, *given, copy=True, **options):
        if copy or np.dtype(dtype) != self.dtype:
            self._launched(makes_one=True)
        return super().astype(dtype, *given, copy=copy, **options)

    def get(self, stream=None, order="C", out=None, blocking=True):
        assert stream is None and order == "C" and out is None and blocking
        return to_host(self)

    def _launched(self, makes_one=False):
        """A method is work for the device."""
        CALLS["launch"] += 1
        not_captured()
        if makes_one:
            allocate(0)

    def __setitem__(self, slices, value):
        self._launched()
        if isinstance(value, np.ndarray) and not isinstance(value, DeviceArray) and value.ndim > 0:
            raise ValueError("an array of the host is assigned to one of the device")
        super().__setitem__(slices, value)

    def copy(self, order="C"):
        self._launched(makes_one=True)
        return super().copy(order)

    def fill(self, value):
        self._launched()
        super().fill(value)

    def take(self, indices, axis=None, out=None, mode="raise"):
        self._launched(makes_one=True)
        return super().take(indices, axis, out, mode)

    __float__, __int__, __bool__, __index__, item, tolist = map(
        waits, (np.ndarray.__float__, np.ndarray.__int__, np.ndarray.__bool__, np.ndarray.__index__,
                np.ndarray.item, np.ndarray.tolist)
    )  # fmt: skip


def to_device(host):
    CALLS["upload"] += 1
    not_captured()
    allocate(0)  # the limit of single arrays is for what programs make
    return np.array(host, order="K").view(DeviceArray)


def to_host(array):
    not_captured()
    CALLS["wait"] += 1
    return np.array(array)


def empty(shape, dtype=float):
    array = np.empty(shape, dtype=dtype)
    allocate(array.nbytes)
    array[...] = np.nan if array.dtype.kind == "f" else np.array(-1).astype(array.dtype)
    return array.view(DeviceArray)


def zeros(shape, dtype=float):
    CALLS["launch"] += 1
    not_captured()
    allocate(0)
    return np.zeros(shape, dtype=dtype).view(DeviceArray)


def ascontiguousarray(a):
    assert isinstance(a, DeviceArray)
    if not a.flags.c_contiguous:
        CALLS["launch"] += 1
        not_captured()
        allocate(0)
    return np.ascontiguousarray(a).view(DeviceArray)


def gemm(transa, transb, a, b, out=None, alpha=1.0, beta=0.0):
    """``out ← alpha op(a) op(b) + beta out``; where beta is 0, out is not read."""
    assert all(isinstance(one, DeviceArray) and one.ndim == 2 for one in (a, b, out))
    assert a.dtype == b.dtype == out.dtype
    assert out.flags.c_contiguous and all(one.flags.c_contiguous for one in (a, b))
    assert not any(np.shares_memory(out, one) for one in (a, b))
    for one in (a, b, out):
        on_current_device(one)
    not_captured()
    a = a.T if transa == "T" else a
    b = b.T if transb == "T" else b
    a, b, target = (one.view(np.ndarray) for one in (a, b, out))
    product = alpha * (a @ b)
    target[...] = product + beta * target if beta else product
    CALLS["launch"] += 1
    return out


def bound(_workspace):
    """The place of `gpunet_cupy.cublas.bind`: products on a CPU need no handle."""
    return None


def product(operation, out, a, b, shape, *, batch=1, dtype, compute=None, accumulate=False):
    """The place of `gpunet_cupy.cublas.product`."""
    m, n, k = shape
    shapes = {"NN": ((m, k), (k, n)), "NT": ((m, k), (n, k)), "TN": ((k, m), (k, n))}[operation]

    def matrices(matrix, rows, columns):
        """Views of all of them, which lie within the array."""
        array = matrix.array
        assert isinstance(array, DeviceArray) and array.flags.c_contiguous
        assert matrix.row_stride >= columns and (batch == 1 or matrix.batch_stride > 0)
        last = (batch - 1) * matrix.batch_stride + (rows - 1) * matrix.row_stride + columns
        assert last <= array.size, "the product reads or writes past the end of an array"
        strides = np.array([matrix.batch_stride, matrix.row_stride, 1]) * array.itemsize
        return np.lib.stride_tricks.as_strided(array.view(np.ndarray), (batch, rows, columns), strides)

    def factor(matrix, rows, columns):
        values = matrices(matrix, rows, columns)
        if dtype == "bfloat16":
            assert values.dtype == np.uint16
            return (values.astype(np.uint32) << 16).view(np.float32)
        assert values.dtype == dtype
        return values if compute is None else rounded(values, compute)

    def run(_handle):
        x, y, target = factor(a, *shapes[0]), factor(b, *shapes[1]), matrices(out, m, n)
        assert target.dtype == ("float64" if dtype == "float64" else "float32")
        x = x.transpose(0, 2, 1) if operation == "TN" else x
        y = y.transpose(0, 2, 1) if operation == "NT" else y
        result = x @ y
        target[...] = result + target if accumulate else result

    def launched(handle):
        if CAPTURED:
            CAPTURED[-1].append(lambda: run(handle))
        else:
            CALLS["launch"] += 1
            run(handle)

    return launched


POINTERS = itertools.count(0x7000)  # of streams and events


class Stream:
    """A stream, also as a context, that can capture a graph.

    The null stream does everything at once. Any other one copies as late as a device may: when somebody waits for it.
    """

    null: "Stream"
    by_pointer: dict[int, "Stream"] = {}  # noqa: RUF012

    def __init__(self, null=False, non_blocking=False):
        assert null or non_blocking, "streams that wait for the null stream are not here"
        self.non_blocking = non_blocking
        self.ptr, self.device_id = (0, -1) if null else (next(POINTERS), current_device())
        self.waiting, self.done = [], 0  # copies; how many are done
        self.waited = []  # events that it was told to wait for, and how many copies were queued before
        self.by_pointer[self.ptr] = self

    def __enter__(self):
        if self.device_id not in (-1, current_device()):
            raise RuntimeError(
                f"a stream of device {self.device_id}, while {current_device()} is the current one"
            )
        CURRENT.streams.append((current_device(), self))
        return self

    def __exit__(self, *_):
        CURRENT.streams.pop()

    def synchronize(self):
        """Do all copies."""
        CALLS["wait"] += 1
        self.copy_until(self.done + len(self.waiting))

    def copy_until(self, count):
        """Do the first copies of this stream, so many in all."""
        while self.done < count:
            self.waiting.pop(0)()
            self.done += 1

    def record(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        if self.ptr == 0:
            event.synchronize()
        self.waited.append((event, self.done + len(self.waiting)))

    def begin_capture(self):
        if self.ptr == 0:
            raise RuntimeError("the null stream can't be captured")
        assert get_current_stream() is self, "launches go to the current stream"
        CAPTURED.append([])

    def end_capture(self):
        assert get_current_stream() is self
        return Graph(CAPTURED.pop())


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    device = current_device() if device_id == -1 else device_id
    return next((one for where, one in reversed(CURRENT.streams) if where == device), Stream.null)


class Graph:
    """Launches that were captured."""

    def __init__(self, launches):
        self.launches = launches

    def launch(self, stream=None):
        not_captured()
        CALLS["launch"] += 1
        for one in self.launches:
            one()


class Event:
    """What a stream has been given before the last record."""

    by_pointer = weakref.WeakValueDictionary()  # noqa: RUF012

    def __init__(self, block=False, disable_timing=False):
        self.device_id, self.ptr = current_device(), next(POINTERS)
        self.stream, self.count = None, 0
        self.by_pointer[self.ptr] = self

    def record(self, stream=None):
        stream = get_current_stream() if stream is None else stream
        device = current_device() if stream.device_id == -1 else stream.device_id
        assert device == self.device_id, "an event of one device is recorded on a stream of another one"
        self.stream, self.count = stream, stream.done + len(stream.waiting)

    @property
    def done(self):
        return self.stream is None or self.stream.done >= self.count

    def synchronize(self):
        if self.stream is not None:
            self.stream.copy_until(self.count)


def event_query(event):
    """CUDA's status: 0, or that the event is not done."""
    return 0 if Event.by_pointer[event].done else 600


ATTRIBUTES = {"MaxSharedMemoryPerBlockOptin": 227 * 1024, "MultiProcessorCount": 5}
ATTRIBUTES_OF = {}  # of single devices, by their number, where they differ


class Device:
    """A device, also as a context."""

    compute_capability = "90"

    def __init__(self, device=None):
        self.id = current_device() if device is None else operator.index(device)

    @property
    def attributes(self):
        return ATTRIBUTES_OF.get(self.id, ATTRIBUTES)

    def __enter__(self):
        CURRENT.devices.append(self.id)
        return self

    def __exit__(self, *_):
        CURRENT.devices.pop()


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


class PinnedMemory(bytearray):
    """Memory of the host that kernels can use, of at least the size that was asked for. New memory holds NaN."""

    def __init__(self, size):
        assert size > 0
        super().__init__(b"\xff" * max(512, 1 << (size - 1).bit_length()))
        self.ptr = np.frombuffer(self, np.uint8).ctypes.data


def alloc_pinned_memory(size):
    not_captured()
    return PinnedMemory(size)


def memcpy_async(dst, src, size, kind, stream):
    assert kind in (1, 2)
    not_captured()
    if stream == 0:
        ctypes.memmove(dst, src, size)
    else:
        Stream.by_pointer[stream].waiting.append(lambda: ctypes.memmove(dst, src, size))


class CUBLASError(RuntimeError):
    """CuPy's."""

    def __init__(self, status):
        super().__init__({3: "CUBLAS_STATUS_ALLOC_FAILED", 13: "CUBLAS_STATUS_EXECUTION_FAILED"}[status])


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
