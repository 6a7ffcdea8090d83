"""Blocks as examples: checked, standardised and weighted block by block, on the host."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gpunet.devices.placement import Placement, host_placement
from gpunet.inputs.blocks.blocks import Block, Blocks
from gpunet.inputs.blocks.room import Room
from gpunet.inputs.label_smoothing import smoothed
from gpunet.inputs.pipeline import Examples, InputPipeline

Array = Any


class Stream:
    """Examples that are not all in memory.

    Parameters
    ----------
    blocks : Blocks
        With targets.
    pipeline : InputPipeline
        Of the network; blocks are checked and standardised on the host, whatever its placement is.
    prefix : str
        Stands before X and y in messages.
    raw : bool
        Whether the standardizer is left to the caller.
    class_weight : sequence of float or None
        One for each class.
    epsilon : float
        Of label smoothing.
    """

    def __init__(
        self,
        blocks: Blocks,
        pipeline: InputPipeline,
        *,
        prefix: str = "",
        raw: bool = False,
        class_weight: Any = None,
        epsilon: float = 0.0,
    ) -> None:
        self.blocks = blocks
        self.placement = pipeline.placement
        self.pipeline = pipeline._replace(placement=host_placement())
        self.prefix = prefix
        self.raw = raw
        self.class_weight = class_weight
        self.epsilon = epsilon

    def with_integers(self) -> Stream:
        """The same examples; those of small integers stay so until a program reads them."""
        kept = copy.copy(self)
        kept.pipeline = self.pipeline._replace(integers=True)
        return kept

    @property
    def m(self) -> int:
        """How many examples there are."""
        return self.blocks.shape[0]

    def examples(self, block: Block) -> Examples:
        """The examples of a block: columns, on the host.

        Raises
        ------
        ValueError, TypeError
            For what is no input or target of this network, with the number of its row among all.
        """
        return self.checked(block)[0]

    @property
    def compactness(self) -> int:
        """How many times less memory X takes while it stays integers, if that is known before it is read."""
        X = getattr(self.blocks, "X", None)
        if X is None or not self.pipeline.stays(X):
            return 1
        ratio: int = np.dtype(self.pipeline.dtype).itemsize // X.dtype.itemsize
        return ratio

    def together(self, blocks: Iterable[Block], room: Room) -> Iterator[Examples]:
        """The examples of blocks. Those that stay integers are checked several blocks at a time, in the room."""
        alike: list[Block] = []
        for block in blocks:
            joins = bool(alike) and _are_alike(block, alike[0])
            if alike and not joins:
                yield self._joined(alike, room)
                alike = []
            stays = joins or self.pipeline.stays(block.X)
            rows = room.take(block.X) if stays else None
            if rows is None:
                yield self.examples(block)
            else:
                alike.append(block._replace(X=rows))
        if alike:
            yield self._joined(alike, room)

    def _joined(self, blocks: list[Block], room: Room) -> Examples:
        """The examples of blocks of the same types, whose rows came last into the room."""
        y, weights = (
            None if some[0] is None else np.concatenate(some)
            for some in zip(*(block[2:4] for block in blocks), strict=True)
        )
        try:
            X = room.last(sum(len(block.X) for block in blocks), blocks[0].X.shape[1:])
            return self._checked(blocks[0].first, X, y, weights)[0]
        except (ValueError, TypeError):
            for block in blocks:  # the message tells the row
                self.checked(block)
            raise

    def checked(self, block: Block) -> tuple[Examples, str]:
        """The same, and what the targets mean."""
        first, *arrays, rows = block
        if rows is None:
            return self._checked(first, *arrays)
        try:
            return self._checked(first, *arrays)
        except (ValueError, TypeError):
            # The message counts the rows that were taken: each alone has its own number.
            for k, row in enumerate(rows.tolist()):
                self._checked(first + row, *(None if A is None else A[k : k + 1] for A in arrays))
            raise

    def _checked(self, first: int, X: Any, y: Any, weights: Any) -> tuple[Examples, str]:
        pipeline = self.pipeline
        found, kind = pipeline.examples(*(X, y, weights), prefix=self.prefix, raw=self.raw, first_row=first)
        found = pipeline.with_class_weights(found, self.class_weight, kind)
        Y = smoothed(found.Y, self.epsilon, kind, pipeline.output.activation)
        return found._replace(Y=Y), kind

    def on_device(self, examples: Examples) -> Examples:
        """Examples of the host on the network's placement."""
        return on_device(examples, self.placement)

    def columns(self, rows: Array) -> Any:
        """Rows of X that are on the network's placement, as columns."""
        return self.pipeline._replace(placement=self.placement).columns(rows)

    def parts(self) -> Iterator[Examples]:
        """All examples in the order in which they are stored, some at a time, on the network's placement."""
        for block in self.blocks.all():
            yield self.on_device(self.examples(block))

    @property
    def Y(self) -> Array:
        """All targets, ``(n[L], m)``, on the network's placement; another pass may bring them in another order."""
        parts = [self.examples(block).Y for block in self.blocks.all()]
        return self.placement.to_device(np.ascontiguousarray(np.concatenate(parts, axis=1).T)).T


def _are_alike(block: Block, other: Block) -> bool:
    """Whether two blocks may be joined: as many arrays, of the same types."""
    return all(
        A is B is None
        or (A is not None and B is not None and A.dtype == B.dtype and A.shape[1:] == B.shape[1:])
        for A, B in zip(block[1:4], other[1:4], strict=True)
    )


def on_device(examples: Examples, placement: Placement) -> Examples:
    """Examples of the host on a placement."""

    def move(columns: Any) -> Any:
        return None if columns is None else placement.to_device(np.ascontiguousarray(columns.T)).T

    return Examples(*map(move, examples))
