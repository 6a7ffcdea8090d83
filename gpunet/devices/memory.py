"""Out of memory, said in the same way whatever library has found it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gpunet.devices.placement import Placement
from gpunet.errors import OutOfMemory


@contextmanager
def memory_errors(placement: Placement, advice: str) -> Iterator[None]:
    """A context in which the library's own error becomes :class:`OutOfMemory`, with `advice` on what to do.

    What is in it leaves a network as it was, where there is an error.
    """
    backend, device = placement
    try:
        yield
    except OutOfMemory:
        raise
    except Exception as error:
        if not backend.out_of_memory(error):
            raise
        raise OutOfMemory(
            f"{device} ran out of memory; the network keeps the weights it had. {advice}, or backend='numpy'. ({error})"
        ) from error
