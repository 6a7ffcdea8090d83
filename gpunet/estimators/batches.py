"""What an epoch reads: the order of the examples, and what depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs
from gpunet.devices.placement import Placement

Array = Any

SPARSE_BYTES = 2**26  # of a sparse X's rows that are dense at a time


class Rows(NamedTuple):
    """Examples as rows. X is an array on the placement, or a SciPy CSR array or matrix on the host."""

    X: Any  # (m, n[0])
    Y: Array  # (m, n[L]), on the placement
    weights: Any  # (m,) float64 on the host, or None


class Epoch(NamedTuple):
    """What is drawn or computed for an epoch, on the host."""

    order: Any  # (m,) int32, or None: as they stand
    coefficients: Any  # (steps, k), λ of the L2 penalty last
    weights: Any  # (m,), those of each batch scaled to a mean of 1; or None
    keys: Any  # (steps, L) int32, or None


def shuffled(order: Any, random_state: Any) -> Any:
    """The next epoch's order: that of the last one, shuffled, as scikit-learn draws it."""
    places = np.arange(len(order))
    random_state.shuffle(places)
    return order[places]


def epoch(plan: Plan, rates: Any, alpha: float, order: Any, weights: Any, keys: Any) -> Epoch:
    """An epoch in a given order; `rates` are the optimizer's coefficients.

    scikit-learn divides both the sum of a batch's losses and ``½ alpha Σ W²`` by the sum of its weights.
    """
    starts = np.arange(0, plan.examples, plan.batch_size)
    totals = np.diff(starts, append=plan.examples).astype(np.float64)
    scaled = None
    if weights is not None:
        used = weights if order is None else weights[order]
        sums = np.add.reduceat(used, starts)
        # Nothing is learned from a batch whose weights are all 0.
        factors = np.divide(totals, sums, out=np.zeros_like(sums), where=sums != 0)
        in_order = used * np.repeat(factors, totals.astype(int))
        scaled = in_order if order is None else np.empty_like(in_order)
        if order is not None:
            scaled[order] = in_order
        totals = np.where(sums != 0, sums, np.inf)
    coefficients = np.empty((plan.steps, rates.shape[1] + plan.penalized), plan.dtype)
    coefficients[:, : rates.shape[1]] = rates
    if plan.penalized:
        coefficients[:, -1] = alpha / totals
    return Epoch(order, coefficients, scaled, keys)


def epoch_inputs(plan: Plan, placement: Placement, rows: Rows, drawn: Epoch) -> Iterator[EpochInputs]:
    """The epoch as programs take it: in one piece, or for a sparse X a few batches at a time."""
    order, coefficients, weights, keys = drawn
    to_device = placement.to_device
    if not is_sparse(rows.X):
        yield EpochInputs(
            rows.X.T,
            rows.Y.T,
            None if weights is None else to_device(weights.astype(plan.dtype)[None, :]),
            None if order is None else to_device(order),
            to_device(coefficients),
            None if keys is None else to_device(keys),
        )
        return
    row_bytes = rows.X.shape[1] * np.dtype(plan.dtype).itemsize
    steps = max(SPARSE_BYTES // (row_bytes * plan.batch_size), 1)
    for first in range(0, plan.steps, steps):
        some = slice(first * plan.batch_size, (first + steps) * plan.batch_size)
        chosen = np.arange(plan.examples)[some] if order is None else order[some]
        inputs = EpochInputs(
            to_device(dense(rows.X, chosen, plan.dtype)).T,
            placement.xp.take(rows.Y, to_device(chosen), axis=0).T,
            None if weights is None else to_device(weights[chosen].astype(plan.dtype)[None, :]),
            None,
            to_device(coefficients[first : first + steps]),
            None if keys is None else to_device(keys[first : first + steps]),
        )
        yield inputs


def is_sparse(X: Any) -> bool:
    """Whether X is a SciPy sparse array or matrix."""
    from scipy.sparse import issparse

    return bool(issparse(X))


def dense(X: Any, chosen: Any, dtype: str) -> Any:
    """Some rows of a CSR array as a dense NumPy array; `chosen` is a slice or the rows' numbers."""
    return np.ascontiguousarray(X[chosen].toarray(), dtype=dtype)
