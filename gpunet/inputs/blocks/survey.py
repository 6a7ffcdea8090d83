"""The first pass over blocks: everything that has to be known of all examples before training."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet.inputs.blocks.blocks import Block, Blocks
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.example_weights import (
    BALANCED,
    balanced_weights,
    class_counts,
    per_class,
    require_some_weight,
)
from gpunet.inputs.label_smoothing import smoothed
from gpunet.inputs.moments import Moments
from gpunet.inputs.pipeline import InputPipeline

SAMPLE = 1000  # examples that are kept, to look at; up to twice as many


class Survey(NamedTuple):
    """What one pass found.

    Attributes
    ----------
    kind : str
        What the targets mean; see :class:`gpunet.inputs.targets.Targets`.
    moments : Moments or None
        Of X.
    class_weight : list of float or None
        One for each class.
    sample : Block
        Some examples from all over.
    dtype : numpy.dtype
        Of the rows whose moments were taken.
    """

    kind: str
    moments: Moments | None
    class_weight: Any
    sample: Block
    dtype: Any


class Sample:
    """Examples at equal distances, which double whenever there are too many."""

    def __init__(self) -> None:
        self.stride = 1
        self.parts: list[tuple[Any, ...]] = []
        self.count = 0

    def add(self, block: Block) -> None:
        """Take some examples of a block."""
        first, *arrays, _ = block
        self._keep(
            tuple(None if A is None else np.array(A[-first % self.stride :: self.stride]) for A in arrays)
        )
        while self.count >= 2 * SAMPLE:
            self.stride *= 2
            together, self.parts, self.count = self.block()[1:4], [], 0
            self._keep(tuple(None if A is None else A[::2].copy() for A in together))

    def _keep(self, arrays: tuple[Any, ...]) -> None:
        if len(arrays[0]):
            self.parts.append(arrays)
            self.count += len(arrays[0])

    def block(self) -> Block:
        """The examples so far, as a block."""
        together: list[Any] = [
            None if A[0] is None else np.concatenate(A) for A in zip(*self.parts, strict=True)
        ]
        return Block(0, *together)


def survey(
    blocks: Blocks, pipeline: InputPipeline, class_weight: Any, epsilon: float, *, fit: bool, prefix: str = ""
) -> Survey:
    """Read all blocks once, and check them.

    Parameters
    ----------
    blocks : Blocks
    pipeline : InputPipeline
    class_weight : "balanced", dict, sequence or None
    epsilon : float
        Of label smoothing.
    fit : bool
        Whether moments are taken.
    prefix : str
        Stands before X and y in messages.

    Raises
    ------
    ValueError, TypeError
        For bad input, with the number of its row.
    """
    moments = Moments() if fit else None
    sample, kind, dtype = Sample(), "", None
    counts: Any = 0.0  # of each class, where classes have weights; else of all examples
    stream = Stream(blocks, pipeline, prefix=prefix, raw=True)
    for block in blocks.all():
        examples, kind = stream.checked(block)
        if dtype is None:
            dtype = examples.X.dtype
            # From here on, blocks must be like the first one.
            stream.pipeline = stream.pipeline._replace(inputs=int(examples.X.shape[0]))
            # These raise for targets that they do not suit.
            smoothed(examples.Y, epsilon, kind, pipeline.output.activation)
            stream.pipeline.with_class_weights(examples, class_weight, kind)
        if moments is not None:
            moments.add(examples.X.T)  # type: ignore[union-attr]
        if class_weight is not None:
            counts = counts + class_counts(examples.Y, examples.weights, stream.pipeline.placement)
        elif examples.weights is not None:
            counts += float(examples.weights.sum(dtype=np.float64))
        sample.add(block)
    weights = class_weight
    if isinstance(class_weight, str) and class_weight == BALANCED:
        weights = balanced_weights(counts)
    elif class_weight is not None:
        weights = per_class(class_weight, len(counts), pipeline.dtype)
    if class_weight is not None or blocks.weighted:
        require_some_weight(bool(np.any(counts * (1.0 if weights is None else weights) > 0)))
    return Survey(kind, moments, None if weights is None else weights.tolist(), sample.block(), dtype)
