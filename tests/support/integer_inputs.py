"""Inputs of an epoch whose X are small integers, and the same with an array of their numbers."""

import numpy as np

import gpunet as gn
from gpunet.inputs.integer_examples import IntegerExamples


def drawn_rows(m, n, dtype, seed=0, zeros=0.0):
    """All values of the dtype, the ends among them, and so many zeros; the first feature is constant."""
    rng = np.random.default_rng(seed)
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    rows = rng.integers(low, high, (m, n), endpoint=True).astype(dtype)
    rows[rng.random((m, n)) < zeros] = 0
    rows[:, 0], rows[0, 1:3] = 1, (low, high)
    return rows


def fitted(rows, per, center=True):
    """A standardizer that knows the rows; None for None."""
    if per is None:
        return None
    standardizer = gn.Standardizer(per, center)
    standardizer.mean, standardizer.deviation = standardizer.measure(
        np, rows, np.asarray, np.asarray, "float64"
    )
    return standardizer


def both(plan, inputs, dtype, per, placement, center=True, zeros=0.0):
    """Two `inputs` on the placement, which differ in how X is given."""
    rows = drawn_rows(plan.examples, plan.layers[0].inputs, dtype, zeros=zeros)
    X = IntegerExamples(placement.to_device(rows), placement, plan.dtype, fitted(rows, per, center))
    return inputs._replace(X=X), inputs._replace(X=X.as_array())
