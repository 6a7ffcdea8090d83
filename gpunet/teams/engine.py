"""What an engine is: the processes of a team, and how they exchange arrays.

All methods but `abort` are collective: each rank calls them, in the same order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray

from gpunet.devices.communicator import Communicator

Vector = NDArray[Any]  # one dimension, contiguous, on the host
T = TypeVar("T")


class RanksLost(Exception):
    """Ranks have died in a collective call, and those that are left can go on."""


class Engine(ABC):
    """Processes with numbers.

    Attributes
    ----------
    name : str
        As given to :class:`gpunet.Team`.
    rank : int
        The number of this process, from 0.
    size : int
        How many there are.
    survives : bool
        Whether the ranks that are left go on when one dies, and do its work too.
    end_together : bool
        Whether a process that ends waits for those of the other ranks.
    connected : Communicator or None
        What connects the devices of the ranks, since a run of theirs; the next one takes it again.
    """

    name: str
    rank: int
    size: int
    survives: bool = False
    end_together: bool = False
    connected: Communicator | None = None

    @abstractmethod
    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, in their order, on each of them; small, and picklable."""

    @abstractmethod
    def exchange(self, parts: Sequence[Vector], sizes: Sequence[int]) -> list[Vector]:
        """What each rank sends to this one, in the order of the ranks.

        Parameters
        ----------
        parts : sequence of array
            What this rank sends to each; all of one dtype, which is that of every rank.
        sizes : sequence of int
            Numbers that each rank sends to this one.
        """

    @abstractmethod
    def spread(self, part: Vector, sizes: Sequence[int]) -> Vector:
        """The parts of all ranks, one after the other, on each of them; `sizes` are their lengths."""

    def abort(self, error: BaseException) -> None:  # noqa: B027  one whose launcher does that needs nothing
        """End the processes of all ranks, because of an error that this rank alone has."""

    def agree(self, done: bool) -> bool:
        """Whether all ranks have done their part; if not, those that are left have become a smaller team.

        Collective. Most engines end the job when a rank dies, and have nothing to ask.
        """
        return done

    def completed(self, call: Callable[[], T]) -> T:
        """What a call of collective methods returns; made again by the ranks that are left if some die in it."""
        while True:
            try:
                result = call()
            except RanksLost:
                self.agree(False)
                continue
            if self.agree(True):
                return result
