"""Sparse matrices of SciPy and CuPy as checked rows: compressed sparse rows (CSR) that stay on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.devices.scipy_sparse import from_cupy
from gpunet.inputs.arrays import not_finite, require_real, shape_of

LARGEST = 2**31 - 1  # int32


def checked_sparse_rows(name: str, X: Any, dtype: str, inputs: int | None) -> Any:
    """X as a ``scipy.sparse.csr_array`` ``(m, n)``: entries in the order of their features, none twice, all finite.

    Arrays of X that are as they should be are shared, and X itself does not change. Entries that stand in X more than
    once are summed, as by ``X.toarray()``.

    Parameters
    ----------
    name : str
        Of X, in messages.
    X : sparse matrix or array of SciPy, or of CuPy
        Other formats than CSR are converted, which takes a copy.
    dtype : str
        Of the result.
    inputs : int or None
        Features per example; None accepts any number.

    Raises
    ------
    ValueError, TypeError
        For a wrong shape or dtype, indices outside the matrix, or the first row that holds NaN or infinity.
    """
    from scipy.sparse import csr_array

    X = from_cupy(X)
    require_real(name, X.dtype)
    _, n = shape_of(name, X, inputs)
    if n > LARGEST:
        raise ValueError(f"{name} has {n} features per example, more than {LARGEST}")
    csr = X.tocsr()
    rows = csr_array((csr.data, csr.indices, csr.indptr), shape=csr.shape)
    try:
        rows.check_format(full_check=True)  # kernels do not check indices
    except ValueError as error:
        raise ValueError(f"{name} is not a valid sparse matrix: {error}") from None
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    with np.errstate(over="ignore"):  # too large becomes infinity
        data = rows.data.astype(dtype, copy=False)
    require_finite_entries(name, rows.indptr, data)
    index = np.int32 if rows.nnz <= LARGEST else np.int64
    indices, starts = (one.astype(index, copy=False) for one in (rows.indices, rows.indptr))
    return csr_array((data, indices, starts), shape=rows.shape)


def require_finite_entries(name: str, starts: Any, data: Any) -> None:
    """Raise a ValueError that names the first row with an entry that is NaN or infinity."""
    bad = ~np.isfinite(data)
    if bad.any():
        row = int(np.searchsorted(starts, int(np.argmax(bad)), side="right")) - 1
        raise not_finite(name, row, str(data.dtype))
