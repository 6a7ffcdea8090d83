"""Outputs, loss and accuracy of given weights, a piece of the data at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.inputs.fit_data import Data
from gpunet.core.losses import LOSSES, cost
from gpunet.core.metrics import accuracy
from gpunet.core.propagation import forward

Array = Any
Parameters = Sequence[tuple[Array, Array]]

# Examples taken at a time: enough for full speed, little memory.
CHUNK = 8192


def _pieces(m: int) -> list[slice]:
    return [slice(i, min(i + CHUNK, m)) for i in range(0, m, CHUNK)]


def _forward(xp: Any, activations: Sequence[str], parameters: Parameters, X: Array) -> tuple[Array, Array]:
    """``A[L]`` and ``Z[L]`` of columns."""
    with np.errstate(all="ignore"):
        A, caches = forward(xp, activations, parameters, X)
    return A, caches[-1].Z


def outputs(xp: Any, activations: Sequence[str], parameters: Parameters, rows: Array) -> Array:
    """The last layer's activations, rows ``(m, n[L])``."""
    parts = [_forward(xp, activations, parameters, rows[piece, :].T)[0].T for piece in _pieces(rows.shape[0])]
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


def measure(
    xp: Any, activations: Sequence[str], loss: str, parameters: Parameters, data: Data, kind: str
) -> dict[str, float]:
    """``{"loss": J, "accuracy": …}``; real targets (kind "values") have no accuracy."""
    m = data.X.shape[1]
    total, right = 0.0, 0.0
    for piece in _pieces(m):
        X, Y = data.X[:, piece], data.Y[:, piece]
        weights = None if data.weights is None else data.weights[:, piece]
        A, Z = _forward(xp, activations, parameters, X)
        share = X.shape[1] / m
        with np.errstate(all="ignore"):
            total += share * float(cost(xp, LOSSES[loss], activations[-1], Z, A, Y, weights))
        if kind != "values":
            right += share * accuracy(xp, A, Y, kind)
    return {"loss": total} if kind == "values" else {"loss": total, "accuracy": right}
