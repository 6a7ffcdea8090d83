"""Copies to a GPU on a stream of their own, through pinned memory: they go on while kernels run.

The host copies an array piece by piece into pinned memory, from which the GPU copies it by itself; memory that is not
pinned would be copied with the host waiting. Streams are in no order but the one that events make between them:

- kernels wait for the copies that they read, in `_take`;
- a copy into memory that was freed waits for the kernels that read what was there: arrays are allocated on the
  stream of copies, so that their memory goes to later ones of that stream alone, and are dropped here after that stream
  has been told to wait.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet.devices.transfer import Transfer
from gpunet_cupy.sources import device_context

PIECE = 1 << 22  # bytes of pinned memory that are copied at a time
PIECES = 2  # one is filled while the other is copied


class PinnedTransfer(Transfer):
    """See :class:`gpunet.devices.transfer.Transfer`.

    Parameters
    ----------
    device : str
        Such as ``cuda:0``.
    """

    ahead = 2  # one is copied while another is read

    def __init__(self, device: str) -> None:
        import cupy

        self.device = device
        with device_context(device):
            self.stream = _stream(cupy.cuda.Stream, device)
            self.pieces = [Piece() for _ in range(PIECES)]
        self.next = 0  # the piece to be filled next
        self.taken: list[Any] = []

    def begin(self, arrays: Sequence[Any]) -> Callable[[], list[Any]]:
        """See :class:`gpunet.devices.transfer.Transfer`."""
        import cupy

        with device_context(self.device), self.stream:
            on_device = [cupy.empty(array.shape, dtype=array.dtype) for array in arrays]
            for array, target in zip(arrays, on_device, strict=True):
                self._copy(array, target.data.ptr)
            copied = self.stream.record(cupy.cuda.Event(disable_timing=True))
        return lambda: self._take(on_device, copied)

    def _copy(self, array: Any, pointer: int) -> None:
        source = array.reshape(-1).view(np.uint8)
        for first in range(0, len(source), PIECE):
            piece = self.pieces[self.next]
            self.next = (self.next + 1) % PIECES
            piece.copy(source[first : first + PIECE], pointer + first, self.stream)

    def _take(self, arrays: list[Any], copied: Any) -> list[Any]:
        import cupy

        self.close()
        self.taken = arrays
        with device_context(self.device):
            cupy.cuda.get_current_stream().wait_event(copied)
        return arrays

    def close(self) -> None:
        """See :class:`gpunet.devices.transfer.Transfer`."""
        import cupy

        with device_context(self.device):
            used = cupy.cuda.get_current_stream().record(cupy.cuda.Event(disable_timing=True))
            self.stream.wait_event(used)
        self.taken = []  # no earlier: later copies may get their memory


class Piece:
    """Pinned memory, and whether the last copy from it is done."""

    def __init__(self) -> None:
        import cupy

        self.memory = cupy.cuda.alloc_pinned_memory(PIECE)
        self.bytes = np.frombuffer(self.memory, np.uint8, PIECE)
        self.done = cupy.cuda.Event(block=True, disable_timing=True)

    def copy(self, source: Any, pointer: int, stream: Any) -> None:
        """Copy to the device, as soon as what this memory holds is there."""
        import cupy

        runtime = cupy.cuda.runtime
        self.done.synchronize()
        self.bytes[: len(source)] = source
        runtime.memcpyAsync(pointer, self.memory.ptr, len(source), runtime.memcpyHostToDevice, stream.ptr)
        self.done.record(stream)


@functools.lru_cache
def _stream(kind: Any, device: str) -> Any:
    """The stream of copies to a device: one for the process, because memory is freed to it."""
    return kind(non_blocking=True)
