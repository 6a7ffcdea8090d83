"""Outputs, loss and accuracy of given parameters, a chunk of the data at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpunet.core.activations import ActivationLike
from gpunet.core.losses import LOSSES, LossLike, cost
from gpunet.core.metrics import accuracy
from gpunet.core.program import Parameters
from gpunet.core.propagation import forward
from gpunet.inputs.fit_data import Examples

Array = Any

CHUNK = 8192  # examples at a time: enough for full speed, little memory


def _chunks(m: int) -> Iterator[slice]:
    for start in range(0, m, CHUNK):
        yield slice(start, min(start + CHUNK, m))


def _forward(
    xp: Any, activations: Sequence[ActivationLike], parameters: Parameters, X: Array
) -> tuple[Array, Array]:
    """``A[L]`` and ``Z[L]`` of columns."""
    with np.errstate(all="ignore"):
        A, caches = forward(xp, activations, parameters, X)
    return A, caches[-1].Z


def outputs(xp: Any, activations: Sequence[ActivationLike], parameters: Parameters, rows: Array) -> Array:
    """The last layer's activations, rows ``(m, n[L])``."""
    parts = [_forward(xp, activations, parameters, rows[chunk, :].T)[0].T for chunk in _chunks(rows.shape[0])]
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


def evaluate(
    xp: Any,
    activations: Sequence[ActivationLike],
    loss: LossLike,
    parameters: Parameters,
    examples: Examples,
    kind: str,
    keep: Callable[[Array], None] | None = None,
) -> dict[str, float]:
    """``{"loss": J, "accuracy": …}``; real targets (kind "values") have no accuracy.

    `keep` is called with the outputs of each chunk of examples, columns in their order.
    """
    m = examples.X.shape[1]
    total, right = 0.0, 0.0
    for chunk in _chunks(m):
        X, Y = examples.X[:, chunk], examples.Y[:, chunk]
        weights = None if examples.weights is None else examples.weights[:, chunk]
        A, Z = _forward(xp, activations, parameters, X)
        if keep is not None:
            keep(A)
        fraction = X.shape[1] / m
        with np.errstate(all="ignore"):
            total += fraction * float(cost(xp, LOSSES[loss], activations[-1], Z, A, Y, weights))
        if kind != "values":
            right += fraction * accuracy(xp, A, Y, kind)
    return {"loss": total} if kind == "values" else {"loss": total, "accuracy": right}
