"""As much of CuPy as the programs use, on NumPy: their host code runs without a GPU, their kernels on the CPU.

An array of the "device" refuses to become a Python number: that would be a transfer. New arrays hold NaN, so
that reading what nothing wrote shows. Products must write into arrays as cuBLAS could.

`CALLS` counts what the host asks of the device: "launch" (a kernel, an operation of the library, a copy within the
device, a graph), "upload" (a copy from the host), and "wait" (a number or an array that is read back, and other waits).
"""

import ctypes
import sys
import types

import array_api_compat.numpy as numpy_namespace
import numpy as np

from cuda_on_cpu import CALLS, CAPTURED, CPointer, RawModule
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
        raise OutOfMemoryError("out of memory")


HOST = {"may_wait": False}  # whether arrays may become numbers


def waits(function):
    """A method of an array that reads it back."""

    def method(self, *given):
        assert HOST["may_wait"], "a number was read back from the device"
        CALLS["wait"] += 1
        return function(self.view(np.ndarray), *given)

    return method


def launches(function):
    """A method of an array that is work for the device."""
    makes_one = function in (np.ndarray.copy, np.ndarray.take)

    def method(self, *given, **options):
        CALLS["launch"] += 1
        if makes_one:
            allocate(0)
        return function(self, *given, **options)

    return method


class DeviceArray(np.ndarray):
    """An array on the device."""

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self.ctypes.data)

    @property
    def device(self):
        return Device()

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        CALLS["launch"] += 1

        def plain(array):
            return array.view(np.ndarray) if isinstance(array, DeviceArray) else array

        if out is None:
            allocate(0)
        else:
            options["out"] = tuple(map(plain, out))
        result = getattr(ufunc, method)(*map(plain, inputs), **options)
        return np.asarray(result).view(DeviceArray) if out is None else out[0]

    def astype(self, dtype, *given, copy=True, **options):
        if copy or np.dtype(dtype) != self.dtype:
            CALLS["launch"] += 1
            allocate(0)
        return super().astype(dtype, *given, copy=copy, **options)

    def get(self):
        return to_host(self)

    __float__, __int__, __bool__, __index__, item, tolist = map(
        waits, (np.ndarray.__float__, np.ndarray.__int__, np.ndarray.__bool__, np.ndarray.__index__,
                np.ndarray.item, np.ndarray.tolist)
    )  # fmt: skip
    __setitem__, copy, fill, take = map(
        launches, (np.ndarray.__setitem__, np.ndarray.copy, np.ndarray.fill, np.ndarray.take)
    )


def to_device(host):
    CALLS["upload"] += 1
    allocate(0)  # the limit of single arrays is for what programs make
    return np.array(host, order="K").view(DeviceArray)


def to_host(array):
    CALLS["wait"] += 1
    return np.array(array)


def empty(shape, dtype="float64"):
    array = np.empty(shape, dtype=dtype)
    allocate(array.nbytes)
    array[...] = np.nan if array.dtype.kind == "f" else np.array(-1).astype(array.dtype)
    return array.view(DeviceArray)


def zeros(shape, dtype="float64"):
    CALLS["launch"] += 1
    allocate(0)
    return np.zeros(shape, dtype=dtype).view(DeviceArray)


def ascontiguousarray(array):
    assert isinstance(array, DeviceArray)
    if not array.flags.c_contiguous:
        CALLS["launch"] += 1
        allocate(0)
    return np.ascontiguousarray(array).view(DeviceArray)


def gemm(transa, transb, a, b, out=None, alpha=1.0, beta=0.0):
    """``out ← alpha op(a) op(b) + beta out``; where beta is 0, out is not read."""
    assert all(isinstance(one, DeviceArray) and one.ndim == 2 for one in (a, b, out))
    assert a.dtype == b.dtype == out.dtype
    assert out.flags.c_contiguous and all(one.flags.c_contiguous for one in (a, b))
    assert not any(np.shares_memory(out, one) for one in (a, b))
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


class Stream:
    """A stream, also as a context, that can capture a graph.

    The null stream does everything at once. Any other one copies as late as a device may: when somebody waits for it.
    """

    current: list["Stream"] = []  # noqa: RUF012
    by_pointer: dict[int, "Stream"] = {}  # noqa: RUF012

    def __init__(self, non_blocking=False):
        self.non_blocking = non_blocking
        self.ptr = len(self.by_pointer) + 1 if non_blocking else 0
        self.waiting, self.done = [], 0  # copies; how many are done
        self.waited = []  # events that it was told to wait for, and how many copies were queued before
        if non_blocking:
            self.by_pointer[self.ptr] = self

    def __enter__(self):
        self.current.append(self)
        return self

    def __exit__(self, *_):
        self.current.pop()

    def synchronize(self):
        """Do all copies."""
        CALLS["wait"] += 1
        self.copy_until(self.done + len(self.waiting))

    def copy_until(self, count):
        """Do the first copies of this stream, so many in all."""
        while self.done < count:
            self.waiting.pop(0)()
            self.done += 1

    def record(self, event):
        event.record(self)
        return event

    def wait_event(self, event):
        if self.ptr == 0:
            event.synchronize()
        self.waited.append((event, self.done + len(self.waiting)))

    def begin_capture(self):
        assert self.non_blocking, "the null stream can't be captured"
        CAPTURED.append([])

    def end_capture(self):
        launches = CAPTURED.pop()

        def launch(stream):
            CALLS["launch"] += 1
            for one in launches:
                one()

        return types.SimpleNamespace(launch=launch)


class Event:
    """What a stream has been given before the last record."""

    def __init__(self, block=False, disable_timing=False):
        self.stream, self.count = None, 0

    def record(self, stream):
        self.stream, self.count = stream, stream.done + len(stream.waiting)

    @property
    def done(self):
        return self.stream is None or self.stream.done >= self.count

    def synchronize(self):
        if self.stream is not None:
            self.stream.copy_until(self.count)


ATTRIBUTES = {"MaxSharedMemoryPerBlockOptin": 227 * 1024, "MultiProcessorCount": 5}
ATTRIBUTES_OF = {}  # of single devices, by their number, where they differ


class Device:
    """A device, also as a context."""

    compute_capability = "90"

    current: list[int] = []  # noqa: RUF012

    def __init__(self, number=None):
        self.id = current_device() if number is None else number

    @property
    def attributes(self):
        return ATTRIBUTES_OF.get(self.id, ATTRIBUTES)

    def __enter__(self):
        self.current.append(self.id)

    def __exit__(self, *_):
        self.current.pop()


def current_device():
    return Device.current[-1] if Device.current else 0


class PinnedMemory(bytearray):
    """Memory of the host that kernels can use. New memory holds NaN."""

    def __init__(self, size):
        super().__init__(b"\xff" * size)
        self.ptr = np.frombuffer(self, np.uint8).ctypes.data


def memcpy_async(to, source, size, kind, stream):
    assert kind in (1, 2)
    if stream == 0:
        ctypes.memmove(to, source, size)
    else:
        Stream.by_pointer[stream].waiting.append(lambda: ctypes.memmove(to, source, size))


class OutOfMemoryError(MemoryError):
    """CuPy's."""


def install(monkeypatch):
    """Put this in the place of CuPy for one test."""
    MEMORY.update(room=None, refused=0, arrays=None, once=False)
    monkeypatch.setitem(HOST, "may_wait", False)
    CALLS.clear()
    cupy = types.ModuleType("cupy")
    cupy.empty, cupy.zeros, cupy.ascontiguousarray = empty, zeros, ascontiguousarray
    cupy.RawModule = RawModule
    cupy.__version__ = "14"
    runtime = types.SimpleNamespace(
        runtimeGetVersion=lambda: 13000,
        deviceGetPCIBusId=lambda number: f"0000:{number:02x}:00.0",
        memcpyAsync=memcpy_async,
        memcpyHostToDevice=1,
        memcpyDeviceToHost=2,
    )
    cupy.cuda = types.SimpleNamespace(
        Device=Device,
        runtime=runtime,
        function=types.SimpleNamespace(CPointer=CPointer),
        alloc_pinned_memory=PinnedMemory,
        Stream=Stream,
        Event=Event,
        get_current_stream=lambda: Stream.current[-1] if Stream.current else Stream(),
    )
    cupy.cublas = types.ModuleType("cupy.cublas")
    cupy.cublas.gemm = gemm
    monkeypatch.setattr("gpunet_cupy.products.product", product)
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.bind", bound)
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.WORKSPACE", 8)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
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
    for name, function in {
        "unavailable_reason": lambda: None,
        "devices": lambda: list(devices),
        "namespace": lambda: namespace,
        "owns": lambda array: isinstance(array, DeviceArray),
        "from_host": lambda array, device: to_device(array),
        "to_host": to_host,
        "move": lambda array, device: array,
    }.items():
        monkeypatch.setattr(backend, name, function)
    monkeypatch.setitem(HOST, "may_wait", True)  # `fit` waits for the device, programs do not
    return backend
