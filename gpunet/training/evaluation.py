"""Outputs, loss and accuracy of given parameters, a chunk of the data at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpunet.core.accuracy import accuracy
from gpunet.core.activations import ActivationLike
from gpunet.core.losses import LOSSES, LossLike, cost
from gpunet.core.propagation import Parameters, cost_and_gradients, forward
from gpunet.core.reference import columns
from gpunet.devices.placement import Placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.pipeline import Examples

Array = Any

CHUNK = 8192  # examples at a time: enough for full speed, little memory


def _chunks(X: Array | SparseExamples) -> Iterator[slice]:
    """Some columns of X at a time."""
    m, size = int(X.shape[1]), X.chunk(CHUNK) if isinstance(X, SparseExamples) else CHUNK
    for start in range(0, m, size):
        yield slice(start, min(start + size, m))


def _parts(xp: Any, examples: Examples | Stream) -> Iterator[Examples]:
    """The examples, some at a time, with their columns as arrays."""
    for some in examples.parts() if isinstance(examples, Stream) else (examples,):
        for chunk in _chunks(some.X):
            weights = None if some.weights is None else some.weights[:, chunk]
            yield Examples(columns(xp, some.X, chunk), some.Y[:, chunk], weights)


class Evaluation:
    """Outputs, loss and accuracy of parameters that change.

    Parameters
    ----------
    placement : Placement
        Where parameters and examples are.
    activations : sequence of str and Activation
    """

    def __init__(self, placement: Placement, activations: Sequence[ActivationLike]) -> None:
        self.placement, self.activations = placement, activations
        self.own_forward = placement.backend.forward_pass(activations)

    def _forward(self, parameters: Parameters, X: Array) -> tuple[Array, Array]:
        """``A[L]`` and ``Z[L]`` of columns."""
        with np.errstate(all="ignore"):
            if self.own_forward is not None:
                return self.own_forward(parameters, X)
            A, caches = forward(self.placement.xp, self.activations, parameters, X)
        return A, caches[-1].Z

    def outputs(self, parameters: Parameters, X: Array | SparseExamples) -> Array:
        """The last layer's activations for columns X ``(n[0], m)``, as rows ``(m, n[L])``."""
        xp = self.placement.xp
        parts = [self._forward(parameters, columns(xp, X, chunk))[0].T for chunk in _chunks(X)]
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)

    def figures(
        self,
        loss: LossLike,
        parameters: Parameters,
        examples: Examples | Stream,
        kind: str,
        keep: Callable[[tuple[Array, Array]], None] | None = None,
    ) -> dict[str, float]:
        """``{"loss": J, "accuracy": …}``; real targets (kind "values") have no accuracy.

        `keep` is called with the targets and outputs of each chunk of examples, columns in their order.
        """
        xp, activation, m = self.placement.xp, self.activations[-1], examples.m
        total, right = 0.0, 0.0
        for X, Y, weights in _parts(xp, examples):
            A, Z = self._forward(parameters, X)
            if keep is not None:
                keep((Y, A))
            fraction = X.shape[1] / m
            with np.errstate(all="ignore"):
                total += fraction * float(cost(xp, LOSSES[loss], activation, Z, A, Y, weights))
            if kind != "values":
                right += fraction * accuracy(xp, A, Y, kind)
        return {"loss": total} if kind == "values" else {"loss": total, "accuracy": right}


def gradients(
    xp: Any,
    activations: Sequence[ActivationLike],
    loss: LossLike,
    parameters: Parameters,
    examples: Examples | Stream,
    *,
    in_chunks: bool = False,
) -> tuple[float, list[tuple[Array, Array]]]:
    """``(J, [(dW, db), …])`` of all examples as one batch (C9).

    J is a sum (C8): sparse examples, and blocks, are taken part by part; with `in_chunks` dense examples are, too.
    """
    m = examples.m
    in_chunks = in_chunks or isinstance(examples, Stream) or isinstance(examples.X, SparseExamples)
    total, summed = 0.0, None
    parts: Any = _parts(xp, examples) if in_chunks else (examples,)
    for X, Y, weights in parts:
        with np.errstate(all="ignore"):  # overflow shows in the result
            J, found = cost_and_gradients(xp, activations, loss, parameters, X, Y, weights)
            some = [pair for pair in found if pair is not None]  # every layer has one here
            fraction = X.shape[1] / m
            total += fraction * float(J)
            if X.shape[1] < m:
                some = [(fraction * dW, fraction * db) for dW, db in some]
            if summed is not None:
                some = [(dW + W, db + b) for (dW, db), (W, b) in zip(some, summed, strict=True)]
            summed = some
    assert summed is not None
    return total, summed
