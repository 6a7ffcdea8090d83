"""Sparse matrices of SciPy and of CuPy, which are of no array library: they are read on the host."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy, or of CuPy, in any format. Neither is imported for it."""
    if type(X) is np.ndarray:  # a prediction of one row asks several times
        return False
    scipy_sparse = sys.modules.get("scipy.sparse")
    return (scipy_sparse is not None and bool(scipy_sparse.issparse(X))) or _is_of_cupy(X)


def from_cupy(X: Any) -> Any:
    """A sparse matrix of CuPy as SciPy's, copied from its device; anything else as it is."""
    return X.get() if _is_of_cupy(X) else X


def _is_of_cupy(X: Any) -> bool:
    cupy_sparse = sys.modules.get("cupyx.scipy.sparse")
    return cupy_sparse is not None and bool(cupy_sparse.issparse(X))
