"""Arrays on a device, and the memory that they take."""

import types

import numpy as np

from cuda_on_cpu import CALLS, CAPTURED
from fake_cupy.device import Device, current_device

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
