"""Examples in blocks: consecutive rows with their targets and weights, which are read together."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.blocks.room import no_room
from gpunet.inputs.blocks.sliced import Sliced

if TYPE_CHECKING:
    from gpunet.tables import Target

NUMBERS = 2**18  # of a block, about: 1 MiB of float32
HELD = 32  # blocks of that size that are held at a time; their rows are mixed


RowsOf = Callable[[int], NDArray[np.int64] | None]
RoomFor = Callable[[tuple[int, ...], Any], NDArray[Any] | None]


class Block(NamedTuple):
    """Consecutive examples, or some of them, as they are stored."""

    first: int  # the number of their first row
    X: NDArray[Any]
    y: Any
    weights: Any
    rows: NDArray[np.int64] | None = None  # which ones of the block, counted from its first; None for all


def all_rows(number: int) -> None:
    """All rows of each block."""


class Blocks(ABC):
    """A source of blocks.

    Attributes
    ----------
    shape : tuple of int
        ``(m, …)`` of X; known at once, or after the first pass.
    edges : int64 array
        Where the blocks begin, and where the last one ends; known likewise.
    sequential : bool
        Whether they can be read in the order alone in which they come.
    concurrent : bool
        Whether they may be read while another thread reads the same source.
    has_targets : bool
        Whether they bring their targets with them.
    weighted : bool
        Whether examples have weights; known after the first block.
    column_names : sequence of str or None
        Of a table.
    """

    shape: tuple[int, ...]
    edges: NDArray[np.int64]
    sequential: bool = False
    concurrent: bool = False
    has_targets: bool = False
    weighted: bool = False

    @abstractmethod
    def all(self) -> Iterator[Block]:
        """All blocks, in the order in which they are stored."""

    @abstractmethod
    def read(
        self, chosen: Iterable[int], rows_of: RowsOf = all_rows, room_for: RoomFor = no_room
    ) -> Iterator[Block]:
        """Some of the blocks, by their numbers; of a sequential source from any one on, without a gap.

        Parameters
        ----------
        chosen : iterable of int
        rows_of : callable ``(number) -> int64 array or None``
            Which rows of a block are wanted, counted from its first and rising; None for all. Asked when the block's
            turn comes. A block of which none are wanted is left out.
        room_for : callable ``(shape, dtype) -> array or None``
            Memory that the X of a block may be read into. Asked when the block's turn comes.
        """

    def beside(self, y: Sliced | None, weights: Sliced | None) -> Blocks:
        """The same inputs with these targets and weights.

        Raises
        ------
        ValueError
            If the blocks bring theirs.
        """
        if y is not None or weights is not None:
            raise ValueError(
                f"X gives blocks with their targets, and {'sample_weight' if y is None else 'y'} is given too: "
                "give blocks (X, y) or (X, y, sample_weight), and X alone to the call"
            )
        return self

    @property
    def column_names(self) -> Sequence[str] | None:
        """See the class."""
        return None

    def expecting(self, columns: tuple[str, ...] | None) -> Blocks:
        """The same, for a network of these columns; names that are known only once blocks are read are matched then."""
        return self

    def encoding(self, target: Target) -> Blocks:
        """The same; a target that they bring with them is encoded."""
        return self

    def __len__(self) -> int:
        return self.shape[0]


def rows_of_block(shape: tuple[int, ...]) -> int:
    """About how many examples a block has, for X of this shape."""
    return max(NUMBERS // max(math.prod(shape[1:]), 1), 1)


def held_together(edges: NDArray[np.int64], shape: tuple[int, ...], most: int) -> int:
    """How many blocks are held at a time: `most`, or as many larger ones as take that memory, at least one."""
    largest = int(np.diff(edges).max(initial=0)) * math.prod(shape[1:])
    return max(most * NUMBERS // max(largest, NUMBERS), 1)


class SlicedBlocks(Blocks):
    """Blocks of X, y and weights that lie side by side, each a source of rows of its own.

    Parameters
    ----------
    X : Sliced
    y, weights : Sliced or None

    Raises
    ------
    ValueError
        If they differ in length.
    """

    def __init__(self, X: Sliced, y: Sliced | None = None, weights: Sliced | None = None) -> None:
        self.X, self.y, self.weights = X, y, weights
        self.shape = X.shape
        self.has_targets = y is not None
        self.weighted = weights is not None
        self.concurrent = all(source.concurrent for source in (X, y, weights) if source is not None)
        if y is not None and len(y) != len(X):
            raise ValueError(f"{y.name} has {len(y):,} targets for {len(X):,} examples")
        if weights is not None and weights.shape != X.shape[:1]:
            raise ValueError(
                f"{weights.name} must have shape ({len(X)},), one for each example; got {weights.shape}"
            )
        self.edges = X.edges(rows_of_block(X.shape))

    def all(self) -> Iterator[Block]:
        """See :class:`Blocks`."""
        return self.read(range(len(self.edges) - 1))

    def read(
        self, chosen: Iterable[int], rows_of: RowsOf = all_rows, room_for: RoomFor = no_room
    ) -> Iterator[Block]:
        """See :class:`Blocks`."""
        for number in chosen:
            first, last = (int(edge) for edge in self.edges[number : number + 2])
            rows = rows_of(number)
            if rows is not None and not len(rows):
                continue
            if rows is None:
                room = room_for((last - first, *self.X.shape[1:]), self.X.dtype)
                X = self.X.read(first, last) if room is None else self.X.read_into(room, first, last)
            else:
                X = self.X.take(first + rows)
            y, weights = (
                None
                if source is None
                else source.read(first, last)
                if rows is None
                else source.take(first + rows)
                for source in (self.y, self.weights)
            )
            yield Block(first, X, y, weights, rows)

    def beside(self, y: Sliced | None, weights: Sliced | None) -> Blocks:
        """See :class:`Blocks`; each may come from a file of its own."""
        return type(self)(self.X, y, weights)


class NamedBlocks(SlicedBlocks):
    """The same of a table's columns, which are known by their names.

    Parameters
    ----------
    X : Sliced
        With names of columns.
    """

    def __init__(self, X: Sliced, y: Sliced | None = None, weights: Sliced | None = None) -> None:
        super().__init__(X, y, weights)
        self._column_names = list(X.column_names or ())

    @property
    def column_names(self) -> list[str]:
        """See :class:`Blocks`."""
        return self._column_names

    def select(self, columns: Sequence[str]) -> NamedBlocks:
        """The same with these columns, in this order."""
        return NamedBlocks(self.X.select(columns), self.y, self.weights)


def blocks_of(rows: Sliced) -> SlicedBlocks:
    """The blocks of rows."""
    return SlicedBlocks(rows) if rows.column_names is None else NamedBlocks(rows)
