"""Streams, events and graphs, and copies that wait in a stream."""

import ctypes
import itertools
import weakref

import numpy as np

from cuda_on_cpu import CALLS, CAPTURED
from fake_cupy.arrays import not_captured
from fake_cupy.device import CURRENT, current_device

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
