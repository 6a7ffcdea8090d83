"""The engine MPI, through mpi4py."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from gpunet.installation import install_command
from gpunet.teams.engine import Engine, Vector
from gpunet.teams.launchers import ranks_started


class MPI(Engine):
    """The processes that ``mpiexec`` or ``srun`` has started.

    An uncaught exception of one rank ends the job, as with ``python -m mpi4py``.

    Raises
    ------
    ImportError
        If mpi4py or an MPI library is not installed.
    RuntimeError
        If MPI does not see the processes that the launcher has started.
    """

    name = "mpi"

    def __init__(self) -> None:
        try:
            from mpi4py import MPI as library
        except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py is there, an MPI library is not
            raise ImportError(
                f"MPI is not here ({error}): install it with {install_command('mpi')}, or mpi4py for the MPI of your "
                "cluster"
            ) from error
        self.communicator = library.COMM_WORLD.Dup()
        self.rank, self.size = self.communicator.Get_rank(), self.communicator.Get_size()
        started = ranks_started()
        if self.size == 1 < started:
            raise RuntimeError(
                f"{started} processes were started, but each one's MPI sees itself alone: the launcher and mpi4py "
                f"belong to different MPI libraries. mpi4py uses {library.Get_library_version().splitlines()[0]}: "
                "start with that one's mpiexec (python -m mpi4py --mpi-library prints where it is); under Slurm try "
                "srun --mpi=pmi2 or --mpi=pmix"
            )
        if self.size > 1:
            self.show_uncaught = sys.excepthook
            sys.excepthook = self._uncaught

    def gather(self, value: Any) -> list[Any]:
        """See :class:`Engine`."""
        values: list[Any] = self.communicator.allgather(value)
        return values

    def exchange(self, parts: Sequence[Vector], sizes: Sequence[int]) -> list[Vector]:
        """See :class:`Engine`."""
        sent = np.concatenate(parts)
        received = np.empty(sum(sizes), sent.dtype)
        self.communicator.Alltoallv([sent, [part.size for part in parts]], [received, list(sizes)])
        return np.split(received, np.cumsum(sizes)[:-1])

    def spread(self, part: Vector, sizes: Sequence[int]) -> Vector:
        """See :class:`Engine`."""
        whole = np.empty(sum(sizes), part.dtype)
        self.communicator.Allgatherv(part, [whole, list(sizes)])
        return whole

    def abort(self, error: BaseException) -> None:
        """See :class:`Engine`."""
        traceback.print_exception(error, file=sys.__stderr__)  # sys.stderr may be silenced on this rank
        self._end()

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self.show_uncaught(kind, error, trace)
        self._end()

    def _end(self) -> None:
        print(f"gpunet: rank {self.rank} of {self.size} ends the job", file=sys.__stderr__)
        for stream in (sys.stdout, sys.__stderr__):
            if stream is not None:
                stream.flush()
        self.communicator.Abort(1)
