"""The engine MPI, through mpi4py."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from gpunet.errors import TeamError
from gpunet.installation import install_command
from gpunet.teams.engine import Engine, RanksLost, Vector
from gpunet.teams.launchers import ranks_started

T = TypeVar("T")

EXIT_SECONDS = 5  # in which MPI ends: after a process has died MPI may never end
FAULT_TOLERANT = "OMPI_MCA_mpi_ft_enable"  # set by mpirun --with-ft ulfm


class MPI(Engine):
    """The processes that ``mpiexec`` or ``srun`` has started.

    An uncaught exception of one rank ends the job, as with ``python -m mpi4py``. So does the death of one, but with
    Open MPI's ``mpirun --with-ft ulfm`` the others go on.

    Raises
    ------
    ImportError
        If mpi4py or an MPI library is not installed.
    TeamError
        If MPI does not see the processes that the launcher has started.
    """

    name = "mpi"
    end_together = True

    def __init__(self) -> None:
        try:
            from mpi4py import MPI as library
        except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py is there, an MPI library is not
            raise ImportError(
                f"MPI is not here ({error}): install it with {install_command('mpi')}, or mpi4py for the MPI of your "
                "cluster"
            ) from error
        self.library, self.communicator = library, library.COMM_WORLD.Dup()
        self.survives = os.environ.get(FAULT_TOLERANT) == "1"
        self.rank, self.size = self.communicator.Get_rank(), self.communicator.Get_size()
        started = ranks_started()
        if self.size == 1 < started:
            raise TeamError(
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
        values: list[Any] = self._call(self.communicator.allgather, value)
        return values

    def exchange(self, parts: Sequence[Vector], sizes: Sequence[int]) -> list[Vector]:
        """See :class:`Engine`."""
        sent = np.concatenate(parts)
        received = np.empty(sum(sizes), sent.dtype)
        counts = [part.size for part in parts]
        self._call(self.communicator.Alltoallv, [sent, counts], [received, list(sizes)])
        return np.split(received, np.cumsum(sizes)[:-1])

    def spread(self, part: Vector, sizes: Sequence[int]) -> Vector:
        """See :class:`Engine`."""
        whole = np.empty(sum(sizes), part.dtype)
        self._call(self.communicator.Allgatherv, part, [whole, list(sizes)])
        return whole

    def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result; RanksLost if ranks have died and the others can go on."""
        if not self.survives:
            return function(*arguments)
        try:
            return function(*arguments)
        except self.library.Exception as error:  # of several kinds, as a death is noticed
            raise RanksLost from error

    def agree(self, done: bool) -> bool:
        """See :class:`Engine`."""
        if not self.survives:
            return done
        try:
            agreed = self._call(self.communicator.Agree, int(done))
        except RanksLost:  # on each of the ranks that are left
            agreed = 0
        if not agreed:
            self._regroup()
        return bool(agreed)

    def _regroup(self) -> None:
        """Become a smaller team of the ranks that are left. Rank 0 must be among them: it has the checkpoints."""
        before, size = self.communicator, self.size
        before.Revoke()
        self.communicator = self.library.Intracomm(before.Shrink())
        self.communicator.Set_errhandler(self.library.ERRORS_RETURN)
        first = before.Get_group().Translate_ranks([0], self.communicator.Get_group())
        if first == [self.library.UNDEFINED]:
            self.abort(RuntimeError("rank 0 has died: the same command goes on from the last checkpoint"))
        self.rank, self.size = self.communicator.Get_rank(), self.communicator.Get_size()
        if self.size == size:
            self.abort(RuntimeError("MPI failed, though no rank has died"))
        atexit.register(signal.alarm, EXIT_SECONDS)
        if self.rank == 0:
            print(f"gpunet: {size - self.size} of {size} ranks died, the others go on", file=sys.__stderr__)

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
