"""Blocks of an iterable that can be iterated over again: a data loader, or a function that makes a generator."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import function
from gpunet.devices.registry import backend_of
from gpunet.inputs.arrays import from_lists
from gpunet.inputs.blocks.blocks import Block, Blocks, RoomFor, RowsOf, all_rows, rows_of_block
from gpunet.inputs.blocks.encoded import encoded
from gpunet.inputs.blocks.room import no_room
from gpunet.inputs.columns import chosen, column_names, in_order, quoted

if TYPE_CHECKING:
    from gpunet.tables import Target


class IteratedBlocks(Blocks):
    """Pieces ``(X, y)`` or ``(X, y, sample_weight)`` of any lengths, cut anew into blocks of one length.

    What the length of a piece is does not count, but each pass must bring as many examples as the first one. Columns of
    DataFrames are matched by name: with those that are expected, or else those of the first piece.

    Parameters
    ----------
    name : str
        In messages.
    source : iterable, or callable that returns one

    Raises
    ------
    TypeError
        For an iterator, which can be read only once, and a function that can't be called without arguments.
    """

    sequential = True
    has_targets = True

    def __init__(self, name: str, source: Any) -> None:
        if not callable(source) and iter(source) is source:
            raise TypeError(
                f"{name} is a {type(source).__name__}, which can be read only once: its examples are read once to be "
                f"counted and checked, and once more in each epoch. Give a function that returns a new one, such as "
                f"{name}=lambda: make_blocks()"
            )
        if callable(source):
            function(name, source, "() -> generator of blocks, called anew for each pass", 0)
        self.name = name
        self.source: Callable[[], Iterable[Any]] = source if callable(source) else lambda: source
        self.length: int | None = None  # examples of the first pass
        self.shapes: list[tuple[int, ...]] = []  # of an example's X, y and weight, in its first block
        self.expected: tuple[str, ...] | None = None  # names of columns
        self.names: tuple[str, ...] | None = None  # of the columns of the first piece
        self.target: Target | None = None

    @property
    def column_names(self) -> tuple[str, ...] | None:
        """See :class:`Blocks`; known after the first block."""
        return None if self.names is None else self.expected or self.names

    def expecting(self, columns: tuple[str, ...] | None) -> IteratedBlocks:
        """See :class:`Blocks`."""
        blocks = copy.copy(self)
        blocks.expected, blocks.names = columns, None
        blocks.length = None  # the next pass is the first one
        return blocks

    def encoding(self, target: Target) -> IteratedBlocks:
        """See :class:`Blocks`."""
        blocks = copy.copy(self)
        blocks.target = target
        return blocks

    def all(self) -> Iterator[Block]:
        """See :class:`Blocks`; the first pass finds out how many examples there are."""
        size, first = None, 0
        waiting: list[tuple[Any, ...]] = []
        count = 0  # of examples that wait
        for number, piece in enumerate(self._pieces()):
            rows = self._rows(piece, number, first + count)
            if number == 0:
                if self.length is None:
                    self.shapes = [A.shape[1:] for A in rows]
                    self.weighted = len(rows) == 3
                size = rows_of_block(rows[0].shape)
            self._require_alike(rows, number)
            waiting.append(rows)
            count += len(rows[0])
            assert size is not None
            if count >= size:
                together = _joined(waiting)
                whole = count // size * size
                for start in range(0, whole, size):
                    yield self._block(first + start, tuple(A[start : start + size] for A in together))
                first, count = first + whole, count - whole
                waiting = [tuple(A[whole:] for A in together)] if count else []
            # The source may fill the same arrays again for its next piece.
            waiting[-1:] = [tuple(A.copy() for A in rows) for rows in waiting[-1:]]
        self._end(first + count, size)
        if count:
            yield self._block(first, _joined(waiting))

    def _pieces(self) -> Iterator[Any]:
        pieces = self.source()
        try:
            return iter(pieces)
        except TypeError:
            raise TypeError(
                f"{self.name} must return a generator of blocks (X, y), or another iterable; it returned "
                f"{type(pieces).__name__}"
            ) from None

    def read(
        self, chosen: Iterable[int], rows_of: RowsOf = all_rows, room_for: RoomFor = no_room
    ) -> Iterator[Block]:
        """See :class:`Blocks`; they come as arrays."""
        wanted = iter(chosen)
        number = next(wanted, None)
        for found, block in enumerate(self.all()):
            if found == number:
                rows = rows_of(found)
                if rows is None:
                    yield block
                elif len(rows):
                    first, X, y, weights, _ = block
                    yield Block(first, X[rows], y[rows], None if weights is None else weights[rows], rows)
                number = next(wanted, None)
        # Reading to the end, even after the last one, finds out whether the source has changed.

    def _block(self, first: int, rows: tuple[Any, ...]) -> Block:
        last = first + len(rows[0])
        if self.length is not None and last > self.length:
            raise ValueError(
                f"{self.name} gave {self.length:,} examples at first, and now more: each pass must give the same number"
            )
        X, y, *weights = (A.copy() for A in rows)  # see `all`
        return Block(first, X, y, weights[0] if weights else None)

    def _end(self, m: int, size: int | None) -> None:
        """All examples have been read."""
        if self.length is None:
            if size is None:
                raise ValueError(f"{self.name} is empty: there is no block in it")
            self.length = m
            self.shape = (m, *self.shapes[0])
            self.edges = np.append(np.arange(0, m, size, dtype=np.int64), np.int64(m))
        elif m != self.length:
            raise ValueError(
                f"{self.name} gave {self.length:,} examples at first, and now {m:,}: each pass must give the same "
                "number"
            )

    def _rows(self, piece: Any, number: int, first: int) -> tuple[NDArray[Any], ...]:
        """One piece, whose rows are counted from `first`, on the host."""
        if not isinstance(piece, tuple | list) or len(piece) not in (2, 3):
            got = f"{len(piece)} items" if isinstance(piece, tuple | list) else type(piece).__name__
            raise TypeError(
                f"{self.name} must give blocks (X, y) or (X, y, sample_weight); block {number} is {got}"
            )
        names = [f"{part} of block {number}" for part in ("X", "y", "sample_weight")]
        X, y, *weights = piece
        found = [
            _on_host(name, A) for name, A in zip(names, (self._by_name(X, number), y, *weights), strict=False)
        ]
        if self.target is not None and found[1].ndim:
            found[1] = encoded(names[1], found[1], self.target, first)
        rows = tuple(found)
        lengths = [len(A) if A.ndim else 0 for A in rows]
        if lengths[0] == 0 or rows[0].ndim < 2:
            raise ValueError(
                f"{self.name}: block {number} must hold rows of examples, (B, n); its X has shape {rows[0].shape}"
                + ("" if rows[0].size else ", which is empty")
            )
        for name, length in zip(names, lengths, strict=False):
            if length != lengths[0]:
                raise ValueError(f"{self.name}: {name} has {length} rows, its X has {lengths[0]}")
        return rows

    def _by_name(self, X: Any, number: int) -> Any:
        """The X of a piece; the columns of a DataFrame in the order of all."""
        names = column_names(f"{self.name}: X of block {number}", X)
        if number == 0 and self.length is None:
            self.names = names
            return in_order(self.name, X, self.expected)
        if sorted(names or ()) != sorted(self.names or ()):
            first, found = ("no names" if of is None else quoted(of) for of in (self.names, names))
            raise ValueError(
                f"{self.name}: block {number} must have the columns of the first one, {first}; it has {found}"
            )
        order = self.column_names
        return X if names is None or order is None or names == order else chosen(X, names, order)

    def _require_alike(self, rows: tuple[Any, ...], number: int) -> None:
        if len(rows) != len(self.shapes):
            raise ValueError(
                f"{self.name}: block {number} has {len(rows)} parts, the first one has {len(self.shapes)}: give "
                "weights with all blocks or with none"
            )
        for name, one, shape in zip(("X", "y"), rows, self.shapes, strict=False):
            if one.shape[1:] != shape:
                raise ValueError(
                    f"{self.name}: {name} of block {number} has rows of shape {one.shape[1:]}, those of the first "
                    f"block have {shape}"
                )


def _on_host(name: str, array: Any) -> NDArray[Any]:
    source = backend_of(array)
    return np.asarray(from_lists(name, array) if source is None else source.to_host(array))


def _joined(pieces: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    if len(pieces) == 1:
        return pieces[0]
    return tuple(np.concatenate(parts) for parts in zip(*pieces, strict=True))
