"""The engine of Ray Train's workers: what they exchange goes through Ray's own objects.

A worker that dies takes its group with it, and Ray Train starts that again, as its FailureConfig says.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.errors import TeamError
from gpunet.installation import install_command
from gpunet.teams.engine import Engine, Vector


class Hub:
    """An actor where the ranks meet: each brings what it has for the others, and waits for theirs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.turns: dict[int, tuple[asyncio.Event, dict[int, Any]]] = {}
        self.left: dict[int, int] = {}  # ranks that have yet to take what a turn gave

    async def meet(self, turn: int, rank: int, parts: Sequence[Any]) -> list[Any]:
        """What each rank has for this one.

        Parameters
        ----------
        turn : int
            Counts the meetings.
        rank : int
        parts : sequence
            For each rank; a single one is for all.
        """
        complete, brought = self.turns.setdefault(turn, (asyncio.Event(), {}))
        brought[rank] = parts
        if len(brought) == self.size:
            complete.set()
        await complete.wait()
        self.left[turn] = self.left.get(turn, self.size) - 1
        if self.left[turn] == 0:
            del self.turns[turn], self.left[turn]
        return [brought[one][rank if len(brought[one]) > 1 else 0] for one in range(self.size)]


_hubs: list[Any] = []  # of this worker


class RayTrain(Engine):
    """The workers of one training function.

    Raises
    ------
    ImportError
        If Ray is not installed.
    TeamError
        Outside of a worker of Ray Train.
    """

    name = "ray"

    def __init__(self) -> None:
        try:
            import ray
            import ray.train
            from ray.train.collective import broadcast_from_rank_zero
        except ImportError as error:
            raise ImportError(f"Ray is not installed: {install_command('ray')}") from error
        if not is_worker():
            raise TeamError(
                "this is no worker of Ray Train: make the Team within the function that a DataParallelTrainer runs"
            )
        context = ray.train.get_context()
        self.rank, self.size = context.get_world_rank(), context.get_world_size()
        self.get = ray.get
        self.turn = 0
        name = f"gpunet-{secrets.token_hex(8)}"
        if self.rank == 0:
            # It goes with the worker that made it, not before: another rank may still wait for its last answer. A group
            # that starts again has its own.
            self.hub = ray.remote(Hub).options(name=name, num_cpus=0, max_concurrency=1000).remote(self.size)
            ray.get(self.hub.__ray_ready__.remote())
            _hubs.append(self.hub)
        name = broadcast_from_rank_zero(name)
        if self.rank != 0:
            self.hub = ray.get_actor(name)

    def _meet(self, parts: Sequence[Any]) -> list[Any]:
        self.turn += 1
        answers: list[Any] = self.get(self.hub.meet.remote(self.turn, self.rank, parts))
        return answers

    def gather(self, value: Any) -> list[Any]:
        """See :class:`Engine`."""
        return self._meet([value])

    def exchange(self, parts: Sequence[Vector], sizes: Sequence[int]) -> list[Vector]:
        """See :class:`Engine`."""
        return self._meet(parts)

    def spread(self, part: Vector, sizes: Sequence[int]) -> Vector:
        """See :class:`Engine`."""
        return np.concatenate(self._meet([part]))


def is_worker() -> bool:
    """Whether this is a worker of Ray Train."""
    import ray.train

    try:
        ray.train.get_context().get_world_size()
    except Exception:  # of a kind that differs between Ray's versions
        return False
    return True
