"""Arrays that go from GPU to GPU, by NCCL.

NCCL works on the GPU's stream: the host queues what is to be sent and received, and goes on. A connection that breaks
leaves kernels that never end, so the host does not wait for them as for others; it asks NCCL for errors meanwhile.
"""

from __future__ import annotations

import os
import platform
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from gpunet.devices.communicator import Communicator
from gpunet.errors import TeamError
from gpunet_cupy.sources import device_context

SWITCH = "GPUNET_NCCL"  # an environment variable: 0 is off
OLDEST = 2700  # NCCL 2.7, the first to send from one rank to one other
MISSING = "CuPy finds no NCCL: install nvidia-nccl-cu13, or -cu12 to match the driver"
QUEUED = 2  # calls that the host runs ahead: the GPU has work while the host queues the next
NOT_READY = 600  # cudaErrorNotReady
POLL_SECONDS = 1e-4
BOOT = Path("/proc/sys/kernel/random/boot_id")


class NCCL(Communicator):
    """See :class:`gpunet.devices.communicator.Communicator`.

    Parameters
    ----------
    device : str
        Such as ``cuda:0``.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.events: deque[Any] = deque()

    @property
    def name(self) -> str:  # type: ignore[override]
        """NCCL, and its version."""
        from cupy.cuda import nccl

        code = nccl.get_version()  # 2.27.3 is 22703; before 2.9 the minor version had a digit less
        major, rest = divmod(code, 10_000 if code >= 10_000 else 1000)
        return f"NCCL {major}.{rest // 100}.{rest % 100}"

    def unavailable_reason(self) -> str | None:
        """See :class:`Communicator`."""
        if os.environ.get(SWITCH) == "0":
            return f"{SWITCH}=0 says so"
        try:
            from cupy.cuda import nccl
        except (ImportError, Warning):  # CuPy warns that it finds none, which may be an error here
            return MISSING
        if not nccl.available:
            return MISSING
        if nccl.get_build_version() < OLDEST:
            return "this CuPy was built for an NCCL older than 2.7"
        return None

    def address(self) -> str:
        """The computer, and the GPU's place on its bus."""
        import cupy

        bus = cupy.cuda.runtime.deviceGetPCIBusId(device_context(self.device).id)
        # Containers have names of their own, but share what their computer drew when it started.
        computer = BOOT.read_text().strip() if BOOT.exists() else platform.node()
        return f"{computer} {bus}"

    def new_id(self) -> Any:
        """See :class:`Communicator`."""
        from cupy.cuda import nccl

        with self._errors("making an id"):
            return nccl.get_unique_id()

    def connect(self, identifier: Any, rank: int, size: int) -> None:
        """See :class:`Communicator`."""
        from cupy.cuda import nccl

        self.rank, self.size = rank, size
        self.types = {"float32": nccl.NCCL_FLOAT32, "float64": nccl.NCCL_FLOAT64}
        with self._errors("connecting the GPUs"):
            self.library = nccl.NcclCommunicator(size, identifier, rank)

    def exchange(
        self, vectors: Sequence[Any], sections: Sequence[slice], counts: Sequence[int]
    ) -> list[list[Any]]:
        """See :class:`Communicator`."""
        import cupy

        own = sections[self.rank]
        width, dtype = own.stop - own.start, vectors[0].dtype
        received = [
            [vector[own] for vector in vectors]
            if rank == self.rank
            else [cupy.empty((width,), dtype=dtype) for _ in range(count)]
            for rank, count in enumerate(counts)
        ]
        with self._queued():
            for rank, section in enumerate(sections):
                if rank != self.rank:
                    for vector in vectors:
                        self._send(vector[section], rank)
                    for array in received[rank]:
                        self._receive(array, rank)
        return received

    def spread(self, part: Any, sizes: Sequence[int]) -> Any:
        """See :class:`Communicator`."""
        import cupy

        bounds = [0]
        for size in sizes:
            bounds.append(bounds[-1] + size)
        whole = cupy.empty((bounds[-1],), dtype=part.dtype)
        places = [whole[first:last] for first, last in pairwise(bounds)]
        places[self.rank][...] = part
        with self._queued():
            for rank, place in enumerate(places):
                if rank != self.rank:
                    self._send(places[self.rank], rank)
                    self._receive(place, rank)
        return whole

    def _send(self, array: Any, rank: int) -> None:
        if array.size:
            self.library.send(array.data.ptr, array.size, self.types[str(array.dtype)], rank, self.stream.ptr)

    def _receive(self, array: Any, rank: int) -> None:
        if array.size:
            self.library.recv(array.data.ptr, array.size, self.types[str(array.dtype)], rank, self.stream.ptr)

    @contextmanager
    def _queued(self) -> Iterator[None]:
        """Sends and receives that NCCL does together: in any other way each would wait for the one before it."""
        import cupy
        from cupy.cuda import nccl

        self._wait_for_all_but(QUEUED - 1)
        with self._errors("exchanging arrays"):
            self.stream = cupy.cuda.get_current_stream()
            nccl.groupStart()
            try:
                yield
            except nccl.NcclError:
                with suppress(nccl.NcclError):
                    nccl.groupEnd()  # or this thread's later calls would belong to the group
                raise
            nccl.groupEnd()
            self.events.append(self.stream.record(cupy.cuda.Event(disable_timing=True)))

    def wait(self) -> None:
        """See :class:`Communicator`."""
        self._wait_for_all_but(0)

    def _wait_for_all_but(self, count: int) -> None:
        with self._errors("exchanging arrays"):
            while len(self.events) > count:
                while not _is_done(self.events[0]):
                    self.library.check_async_error()
                    time.sleep(POLL_SECONDS)
                self.events.popleft()

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """A context in which errors of NCCL are TeamError."""
        from cupy.cuda import nccl

        try:
            yield
        except nccl.NcclError as error:
            raise TeamError(
                f"NCCL failed while {what} ({error}): another rank may have died, or its GPU can't be reached. The "
                "same command goes on from the last checkpoint, if there is one. NCCL_DEBUG=WARN in the environment "
                f"of all ranks shows the cause; with {SWITCH}=0 arrays go through the memory of the hosts"
            ) from error


def _is_done(event: Any) -> bool:
    """Whether the GPU has come to an event; CuPy's error if it has failed, when ``event.done`` is False for ever."""
    import cupy

    status = cupy.cuda.runtime.eventQuery(event.ptr)
    if status not in (0, NOT_READY):
        event.synchronize()  # which raises it
    return bool(status == 0)
