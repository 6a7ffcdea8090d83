"""SciPy's sparse matrices, which are of no array library: they stay on the host."""

from __future__ import annotations

import sys
from typing import Any


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy, in any format. SciPy is not imported for it."""
    scipy_sparse = sys.modules.get("scipy.sparse")
    return scipy_sparse is not None and bool(scipy_sparse.issparse(X))
