"""Arrays of one library as another one's, on a device that both of them know."""

from __future__ import annotations

from typing import Any

from gpunet.devices.backend import Backend
from gpunet.devices.placement import Placement

Array = Any


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
