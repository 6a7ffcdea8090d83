"""A team: processes that train one network together."""

from __future__ import annotations

import atexit
import functools
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

from gpunet.core.checks import known_name, positive_int
from gpunet.errors import Diverged, RankFailed, RanksDiffer
from gpunet.teams.alone import Alone
from gpunet.teams.engine import Engine
from gpunet.teams.launchers import by_mpi, in_ray_worker

P = ParamSpec("P")
T = TypeVar("T")

LANES = 8
ENGINES = ("mpi", "ray", "alone")


class Team:
    """The processes ("ranks") that train one network: for ``Network.fit(…, team=team)``.

    Every rank runs the same script with the same data. Each batch is cut into *lanes*, each rank computes the gradients
    of some of them, and they are added in one fixed order: the weights are the same to the bit with 1, 2, 3 or more
    ranks of one kind of processor. A rank computes on one core: start as many as there are cores.

    Start a script with ``mpiexec -n 8 python -m mpi4py train.py``, under Slurm with ``srun python -m mpi4py
    train.py``; for Ray Train, call it within the function of a ``DataParallelTrainer``. Without a launcher the same
    script runs alone.

    Make the team before anything that can fail, such as reading the data: with MPI a rank that fails earlier leaves the
    others waiting here.

    Callbacks, validation, progress and checkpoints are rank 0's; what they decide counts on every rank. Ctrl-C or
    SIGTERM on one rank stops all at the same update. A rank that fails ends the job.

    Parameters
    ----------
    engine : {"auto", "mpi", "ray", "alone"}
        "auto" is MPI in a process that an MPI launcher has started, Ray in a worker of Ray Train, else alone. Extras
        ``mpi`` and ``ray``.
    lanes : int
        At least as many as there are ranks, at most as many as a batch has examples. Another number of lanes gives
        other weights, within rounding.

    Attributes
    ----------
    rank : int
        The number of this process, from 0.
    size : int
        How many ranks there are.
    training : bool
        Whether ranks exchange arrays, so that they can't be told of an error of one of them.
    broken : bool
        Whether a rank has failed: the ranks are no longer at the same place.
    stopped : bool
        Whether all ranks have agreed to stop, so that an error of one is no news to the others.

    Raises
    ------
    ValueError, TypeError
        For an unknown engine, and for fewer lanes than ranks.
    ImportError
        If the engine is not installed; the message says what to install.
    TeamError
        If the engine does not see the ranks.

    Examples
    --------
    >>> import gpunet as gn
    >>> team = gn.Team("alone", lanes=4)
    >>> net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> net.fit(X, y, batch_size=4, team=team).program
    'lanes'
    """

    def __init__(self, engine: str = "auto", lanes: int = LANES) -> None:
        known_name("engine", engine, ("auto", *ENGINES))
        self._begin(positive_int("lanes", lanes), engine_of(engine))
        if self.engine.end_together and self.size > 1:
            atexit.register(self.leave)

    def _begin(self, lanes: int | None, engine: Engine) -> None:
        if lanes is not None and lanes < engine.size:
            raise ValueError(
                f"{engine.size} ranks need as many lanes at least, got lanes={lanes}: some ranks would have nothing "
                "to do"
            )
        self.lanes = lanes
        self.engine = engine
        self.training = False
        self.reported: BaseException | None = None
        self.broken = False
        self.stopped = False

    @classmethod
    def of(cls, engine: Engine, lanes: int | None) -> Team:
        """A team with an engine of your own; without lanes, batches are not cut."""
        team = cls.__new__(cls)
        team._begin(lanes, engine)
        return team

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return self.engine.rank

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return self.engine.size

    def __repr__(self) -> str:
        return f"<Team {self.engine.name}, rank {self.rank} of {self.size}, {self.lanes} lanes>"

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, on each of them.

        Raises
        ------
        RankFailed
            If a rank has reported an error in place of a value.
        """
        answers = self._answers(None, value)
        failed = [f"rank {rank} {error}" for rank, (error, _) in enumerate(answers) if error is not None]
        if failed:
            self.broken = True
            raise RankFailed("; ".join(failed))
        return [answer for _, answer in answers]

    def from_first(self, function: Callable[[], T]) -> T:
        """What the function returns on rank 0, where alone it is called, on each rank.

        Raises
        ------
        Exception
            What the function raises; on the other ranks RankFailed.
        """
        if self.size == 1:
            return function()
        result: Any = None
        if self.rank == 0:
            try:
                result = function()
            except Exception as error:
                self._tell(error)
                raise
        values: list[T] = self.gather(result)
        return values[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """A context in which an error of one rank is an error of all."""
        self.training = self.broken = self.stopped = False
        with self.reporting():
            yield

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """The same, within :meth:`together`: for what must not run on after an error of this rank alone."""
        try:
            yield
        except BaseException as error:
            self.report(error)
            raise

    def report(self, error: BaseException) -> None:
        """Tell the others of an error of this rank, at their next :meth:`gather`; end the job while ranks train."""
        known = isinstance(error, RankFailed | RanksDiffer | Diverged)  # all ranks raise these
        if self.size == 1 or known or self.stopped or error is self.reported:
            return
        if not self.training:
            self._tell(error)
            return
        self.reported, self.broken = error, True
        self.engine.abort(error)

    def leave(self) -> None:
        """Let ranks that wait for this one know that its script has ended; called when the process ends."""
        with suppress(Exception):  # MPI may have ended, too
            self._answers("has ended without this call of fit: make it on every rank", None)

    def _tell(self, error: BaseException) -> None:
        self.reported, self.broken = error, True
        text = "".join(traceback.format_exception_only(error)).strip()
        self._answers(f"raised {text}", None)

    def _answers(self, error: str | None, value: Any) -> list[tuple[str | None, Any]]:
        return self.engine.completed(lambda: self.engine.gather((error, value)))


def engine_of(name: str) -> Engine:
    """The engine of a name."""
    if name == "mpi" or (name == "auto" and by_mpi()):
        from gpunet.teams.mpi import MPI

        return MPI()
    if name == "ray" or (name == "auto" and in_ray_worker()):
        from gpunet.teams.ray_train import RayTrain

        return RayTrain()
    return Alone()


def single() -> Team:
    """The team of a run that has none."""
    return Team.of(Alone(), None)


def on_a_team(function: Callable[P, T]) -> Callable[P, T]:
    """A function with an argument ``team=``, called :meth:`Team.together`."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with require_team(kwargs.get("team")).together():
            return function(*args, **kwargs)

    return call


def require_team(team: Any) -> Team:
    """The argument of ``fit``; None is a team of one process, without lanes.

    Raises
    ------
    TypeError
        For anything else.
    """
    if team is None:
        return single()
    if not isinstance(team, Team):
        raise TypeError(f"team must be a gpunet.Team, got {team!r}")
    return team
