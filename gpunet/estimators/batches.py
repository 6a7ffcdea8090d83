"""What an epoch reads: the order of the examples, and what depends on it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs
from gpunet.devices.placement import Placement
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.arrays import to_device_array
from gpunet.inputs.sparse_rows import checked_sparse_rows
from gpunet.training.evaluation import Evaluation

Array = Any


class Rows(NamedTuple):
    """Examples as rows. X is an array on the placement, or a checked SciPy CSR array on the host."""

    X: Any  # (m, n[0])
    Y: Array  # (m, n[L]), on the placement
    weights: Any  # (m,) float64 on the host, or None


def shuffled(order: Any, random_state: Any) -> Any:
    """The next epoch's order: that of the last one, shuffled, as scikit-learn draws it."""
    places = np.arange(len(order))
    random_state.shuffle(places)
    return order[places]


class Epochs:
    """What the epochs of a run read. What is the same in all of them is made once.

    Parameters
    ----------
    plan : Plan
    placement : Placement
    rows : Rows
    alpha : float
        scikit-learn divides both the sum of a batch's losses and ``½ alpha Σ W²`` by the sum of its weights.

    Attributes
    ----------
    sizes : float64 array, ``(steps,)``
        Examples of each batch.
    """

    def __init__(self, plan: Plan, placement: Placement, rows: Rows, alpha: float) -> None:
        self.plan, self.placement, self.weights, self.alpha = plan, placement, rows.weights, alpha
        self.columns = (
            columns_of(rows.X, placement),
            rows.Y.T,
        )  # no estimator drops features: sparse ones stay so
        self.starts = np.arange(0, plan.examples, plan.batch_size)
        self.sizes = np.diff(self.starts, append=plan.examples).astype(np.float64)

    def inputs(self, rates: Any, order: Any, keys: Any, left: int) -> EpochInputs:
        """Those of an epoch.

        Parameters
        ----------
        rates : array ``(steps, k)``
            The optimizer's coefficients.
        order : int32 array ``(m,)``, or None
            None for as they stand.
        keys : int32 array ``(steps, L)``, or None
            Of dropout.
        left : int
            Epochs of the run, this one included.
        """
        plan, to_device = self.plan, self.placement.to_device
        weights, totals = (None, self.sizes) if self.weights is None else self._scaled(order)
        coefficients = np.empty((plan.steps, rates.shape[1] + plan.penalized), plan.dtype)
        coefficients[:, : rates.shape[1]] = rates
        if plan.penalized:
            coefficients[:, -1] = self.alpha / totals
        return EpochInputs(
            *self.columns,
            None if weights is None else to_device(weights.astype(plan.dtype)[None, :]),
            None if order is None else to_device(order),
            to_device(coefficients),
            None if keys is None else to_device(keys),
            left,
        )

    def _scaled(self, order: Any) -> tuple[Any, Any]:
        """The weights, those of each batch scaled to a mean of 1, and their sums before."""
        used = self.weights if order is None else self.weights[order]
        sums = np.add.reduceat(used, self.starts)
        # Nothing is learned from a batch whose weights are all 0.
        factors = np.divide(self.sizes, sums, out=np.zeros_like(sums), where=sums != 0)
        in_order = used * np.repeat(factors, self.sizes.astype(int))
        scaled = in_order if order is None else np.empty_like(in_order)
        if order is not None:
            scaled[order] = in_order
        return scaled, np.where(sums != 0, sums, np.inf)


def columns_of(X: Any, placement: Placement) -> Array | SparseExamples:
    """Rows as columns."""
    return SparseExamples(X, placement) if is_sparse(X) else X.T


def part(rows: Rows, chosen: Any, placement: Placement) -> Rows:
    """Some of the rows."""
    index = placement.to_device(chosen)
    X = rows.X[chosen] if is_sparse(rows.X) else placement.xp.take(rows.X, index, axis=0)
    weights = None if rows.weights is None else rows.weights[chosen]
    return Rows(X, placement.xp.take(rows.Y, index, axis=0), weights)


def on_placement(X: Any, placement: Placement, dtype: str) -> Any:
    """X as it is trained on: an array of the placement, or checked sparse rows on the host."""
    if is_sparse(X):
        return checked_sparse_rows("X", X, dtype, None)
    return to_device_array("X", X, placement, dtype)


def outputs(placement: Placement, activations: Any, parameters: Any, X: Any) -> Array:
    """``A[L]`` as rows."""
    return Evaluation(placement, activations).outputs(parameters, columns_of(X, placement))
