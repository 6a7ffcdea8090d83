"""Blocks as examples: checked, standardised and weighted block by block, on the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunet.devices.placement import Placement, host_placement
from gpunet.inputs.blocks.blocks import Block, Blocks
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

    @property
    def m(self) -> int:
        """How many examples there are."""
        return self.blocks.shape[0]

    @property
    def weighted(self) -> bool:
        """Whether examples have weights."""
        return self.blocks.weighted or self.class_weight is not None

    def examples(self, block: Block) -> Examples:
        """The examples of a block: columns, on the host.

        Raises
        ------
        ValueError, TypeError
            For what is no input or target of this network, with the number of its row among all.
        """
        return self.checked(block)[0]

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

    def parts(self) -> Iterator[Examples]:
        """All examples in the order in which they are stored, some at a time, on the network's placement."""
        for block in self.blocks.all():
            yield self.on_device(self.examples(block))

    @property
    def Y(self) -> Array:
        """All targets, ``(n[L], m)``, on the network's placement."""
        parts = [self.examples(block).Y for block in self.blocks.all()]
        return self.placement.to_device(np.ascontiguousarray(np.concatenate(parts, axis=1).T)).T


def on_device(examples: Examples, placement: Placement) -> Examples:
    """Examples of the host on a placement."""

    def move(columns: Any) -> Any:
        return None if columns is None else placement.to_device(np.ascontiguousarray(columns.T)).T

    return Examples(*map(move, examples))
