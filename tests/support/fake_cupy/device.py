"""Devices, and which of them is the current one of a thread."""

import operator
import threading


class _Current(threading.local):
    """What each thread has of its own: its devices and streams, the current ones last."""

    def __init__(self):
        self.devices, self.streams = [], []


CURRENT = _Current()


def current_device():
    return CURRENT.devices[-1] if CURRENT.devices else 0


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
