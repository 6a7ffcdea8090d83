"""Arrays that go from the device of one process to those of others, without the memory of a host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

Array = Any


class Communicator(ABC):
    """What connects one device to those of the other ranks of a team; not connected when it is made.

    `connect`, `exchange` and `spread` are collective: each rank calls them, in the same order, while its device is the
    library's current one. They may return before the device has done its work.

    Attributes
    ----------
    name : str
        With the version, for people.
    """

    name: str

    @abstractmethod
    def unavailable_reason(self) -> str | None:
        """Why it can't be used here, in words that follow a colon; None if it can. Never raises."""

    @abstractmethod
    def address(self) -> str:
        """Which device this is, among those of all computers: two ranks with the same one share it."""

    @abstractmethod
    def new_id(self) -> Any:
        """What rank 0 makes and each rank is given, picklable: the ranks find each other by it."""

    @abstractmethod
    def connect(self, identifier: Any, rank: int, size: int) -> None:
        """Meet the other ranks.

        Raises
        ------
        TeamError
            If they can't be reached. So do the methods below.
        """

    @abstractmethod
    def exchange(
        self, vectors: Sequence[Array], sections: Sequence[slice], counts: Sequence[int]
    ) -> list[list[Array]]:
        """Get the section of this rank of all vectors that each rank has, in the order of the ranks.

        Parameters
        ----------
        vectors : sequence of array
            This rank's: of one dimension and one length, which are those of every rank.
        sections : sequence of slice
            One for each rank, which is sent to it.
        counts : sequence of int
            How many vectors each rank has.
        """

    @abstractmethod
    def spread(self, part: Array, sizes: Sequence[int]) -> Array:
        """The parts of all ranks, one after the other, on each of them; `sizes` are their lengths."""

    @abstractmethod
    def wait(self) -> None:
        """Wait until all is done that was begun."""
