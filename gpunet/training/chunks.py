"""Where a run pauses within an epoch: often enough to stop or to save, seldom enough to cost nothing."""

from __future__ import annotations

import time

from gpunet.core.plan import Plan
from gpunet.teams.team import Team

SHORT_SECONDS, SPARSE_SHORT_SECONDS, LONG_SECONDS = 0.05, 0.2, 0.4
GROWTH = 4  # few different lengths, because a program may be compiled for each of them
FIRST_STEPS, FIRST_FLOPS = 256, 2e9
FIRST_SPARSE_STEPS = 64


class Chunks:
    """The ends of the chunks of one run's epochs.

    A chunk grows until it takes :data:`SHORT_SECONDS` at least; with sparse examples :data:`SPARSE_SHORT_SECONDS`,
    because their steps may be short beside the copy of all weights that each call makes. Weights do not depend on that:
    a chunk ends where a block of the program does, or after a multiple of `every` steps.

    Parameters
    ----------
    plan : Plan
    every : int, optional
        A chunk ends after each `every` steps of an epoch.
    team : Team, optional
        Whose ranks have the same chunks: those of rank 0, since each has its own clock.
    """

    def __init__(self, plan: Plan, every: int | None = None, team: Team | None = None) -> None:
        self.team = team
        flops = 6.0 * plan.batch_size * plan.weights
        self.every = every
        self.short = SPARSE_SHORT_SECONDS if plan.sparse else SHORT_SECONDS
        self.steps = FIRST_SPARSE_STEPS if plan.sparse else max(min(FIRST_STEPS, int(FIRST_FLOPS / flops)), 1)
        self.begun: float | None = None

    def end(self, first: int, steps: int, block: int) -> int:
        """The step before which the chunk that begins with step `first` of `steps` ends.

        Parameters
        ----------
        first, steps : int
        block : int
            Steps that the program computes together.
        """
        if self.team is None:
            return self._end(first, steps, block)
        return self.team.from_first(lambda: self._end(first, steps, block))

    def _end(self, first: int, steps: int, block: int) -> int:
        now = time.perf_counter()
        if first and self.begun is not None:  # a chunk of this epoch has just ended
            if now - self.begun < self.short:
                self.steps *= GROWTH
            elif now - self.begun > LONG_SECONDS:
                self.steps = max(self.steps // GROWTH, 1)
        self.begun = now
        # A program counts its blocks from where a chunk begins.
        base, most = 0, steps
        if self.every is not None:
            base = first // self.every * self.every
            most = min(base + self.every, steps)
        return min(base + -(-(first - base + self.steps) // block) * block, most)
