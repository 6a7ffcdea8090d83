"""Out of memory, said in the same way whatever library has found it."""

from __future__ import annotations

from gpunet.devices.placement import Placement
from gpunet.errors import OutOfMemory


class memory_errors:
    """A context in which the library's own error becomes :class:`OutOfMemory`, with `advice` on what to do.

    What is in it leaves a network as it was, where there is an error. It is no generator: each prediction of one
    row enters it.
    """

    def __init__(self, placement: Placement, advice: str) -> None:
        self.placement, self.advice = placement, advice

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, OutOfMemory):
            return
        backend, device = self.placement
        if backend.out_of_memory(error):
            raise OutOfMemory(
                f"{device} ran out of memory; the network keeps the weights it had. {self.advice}, "
                f"or backend='numpy'. ({error})"
            ) from error
