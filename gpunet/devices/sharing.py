"""Arrays of one library as another one's, on a device that both of them know."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.devices.backend import Backend
from gpunet.devices.placement import Placement

Array = Any


def moved_to(placement: Placement, array: Array, source: Backend) -> Array:
    """An array of `source` as one of the placement's library, there: in the same memory, or by way of the host."""
    there = shared(array, source, placement)
    if there is not None:
        return there
    return placement.to_device(writable(np.ascontiguousarray(source.to_host(array))))


def shared(array: Array, source: Backend, placement: Placement) -> Array | None:
    """An array of `source` as one of the placement's library, in the same memory (DLPack).

    None if it is on another device, or on the host, where NumPy reads the memory of every library already; and if one
    of the libraries can't share it.
    """
    device = placement.device
    if device == "cpu" or source.device_of(array) != device:
        return None
    with placement.context():
        try:
            return placement.xp.from_dlpack(source.move(array, device))
        except (AttributeError, BufferError, NotImplementedError, RuntimeError, TypeError, ValueError):
            return None  # it goes by way of the host


def writable(array: Any) -> Any:
    """A NumPy array that its owner may write into: a copy of one that is another library's memory, as JAX's is."""
    return array if array.flags.writeable else array.copy()
