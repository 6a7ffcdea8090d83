"""L-BFGS on all examples at once: SciPy's, on gpunet's gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.core.penalty import add_gradients, penalty
from gpunet.core.plan import Plan
from gpunet.core.propagation import cost_and_gradients
from gpunet.core.reference import columns
from gpunet.devices.placement import Placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.estimators.batches import Rows, columns_of

Array = Any

CHUNK = 8192  # examples at a time, whose activations are in memory together


class Cost:
    """``J(θ)`` and its gradient for all examples, θ being every weight and bias in a row, as scikit-learn has them.

    Parameters
    ----------
    plan : Plan
    placement : Placement
    rows : Rows
        Their weights scaled to a mean of 1.
    strength : float
        λ of the L2 penalty.
    """

    def __init__(self, plan: Plan, placement: Placement, rows: Rows, strength: float) -> None:
        self.plan, self.placement, self.rows, self.strength = plan, placement, rows, strength
        self.X = columns_of(rows.X, placement)
        self.chunk = self.X.chunk(CHUNK) if isinstance(self.X, SparseExamples) else CHUNK
        weights = rows.weights
        self.weights = None if weights is None else placement.to_device(weights.astype(plan.dtype)[None, :])

    def __call__(self, theta: Any) -> tuple[float, Any]:
        """J, and its gradient in the order of θ."""
        xp, plan = self.placement.xp, self.plan
        parameters = self.parameters(theta)
        m, J, total = plan.examples, 0.0, None
        for start in range(0, m, self.chunk):
            some = slice(start, min(start + self.chunk, m))
            X = columns(xp, self.X, some)
            Y, weights = self.rows.Y[some, :].T, None if self.weights is None else self.weights[:, some]
            with np.errstate(all="ignore"):
                J_chunk, gradients = cost_and_gradients(
                    xp, plan.activations, plan.loss, parameters, X, Y, weights
                )
            fraction = (some.stop - start) / m
            J += fraction * float(J_chunk)
            total = _sum(total, gradients, fraction)
        assert total is not None
        if self.strength:
            J += float(penalty(xp, parameters, self.strength))
            total = add_gradients(total, parameters, self.strength)
        return J, self._row(total)

    def parameters(self, theta: Any) -> list[tuple[Array, Array]]:
        """θ as ``[(W, b)]`` on the placement."""
        coefs, intercepts = unpacked(theta, self.plan)
        to_device = self.placement.to_device
        return [
            (
                to_device(W.astype(self.plan.dtype, copy=False)).T,
                to_device(b.astype(self.plan.dtype, copy=False))[:, None],
            )
            for W, b in zip(coefs, intercepts, strict=True)
        ]

    def _row(self, gradients: Any) -> Any:
        to_host = self.placement.backend.to_host
        return packed([to_host(dW).T for dW, _ in gradients], [to_host(db) for _, db in gradients])


def _sum(total: Any, gradients: Any, fraction: float) -> Any:
    if fraction == 1.0:
        return gradients
    scaled = [(fraction * dW, fraction * db) for dW, db in gradients]
    if total is None:
        return scaled
    return [(W + dW, b + db) for (W, b), (dW, db) in zip(total, scaled, strict=True)]


def packed(coefs: Sequence[Any], intercepts: Sequence[Any]) -> Any:
    """θ: all weights, then all biases, in a row of float64."""
    return np.concatenate([np.ravel(one) for one in (*coefs, *intercepts)], dtype=np.float64)


def unpacked(theta: Any, plan: Plan) -> tuple[list[Any], list[Any]]:
    """The reverse, as views."""
    coefs, intercepts, at = [], [], 0
    for layer in plan.layers:
        size = layer.inputs * layer.units
        coefs.append(theta[at : at + size].reshape(layer.inputs, layer.units))
        at += size
    for layer in plan.layers:
        intercepts.append(theta[at : at + layer.units])
        at += layer.units
    return coefs, intercepts
