"""Sparse rows from files: SciPy's ``.npz``, and svmlight (libsvm) text."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.installation import install_command

SVMLIGHT_SUFFIXES = (".svm", ".svmlight", ".libsvm")
_COMPRESSED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}


class Svmlight(NamedTuple):
    """What a file in svmlight's format holds.

    Attributes
    ----------
    X : scipy.sparse.csr_array, ``(m, n)``
    y : array
        ``(m,)`` numbers, or ``(m, k)`` rows of 0 and 1 where examples have several labels.
    labels : tuple of str or None
        The label of each column of such a y.
    first : {0, 1}
        The number of the first feature.
    """

    X: Any
    y: NDArray[Any]
    labels: tuple[str, ...] | None
    first: int


def is_svmlight_file(path: str) -> bool:
    """Whether a path is that of a svmlight file, by its ending; it may be compressed (.gz, .bz2)."""
    name = Path(path.lower())
    return (name.with_suffix("") if name.suffix in _COMPRESSED else name).suffix in SVMLIGHT_SUFFIXES


def is_sparse_npz(arrays: Mapping[str, Any]) -> bool:
    """Whether the arrays of an ``.npz`` file are what ``scipy.sparse.save_npz`` writes."""
    return {"format", "shape", "data"} <= set(arrays)


def read_sparse_npz(path: Path, dtype: str) -> Any:
    """The rows that ``scipy.sparse.save_npz`` wrote, ``(m, n)``, as CSR.

    Raises
    ------
    ImportError
        Without SciPy.
    ValueError
        If they can't be read, or are no rows of real numbers.
    """
    try:
        from scipy.sparse import csr_array, load_npz
    except ImportError as error:
        raise ImportError(f"{path} needs SciPy: {install_command('sklearn')} ({error})") from error
    try:
        rows = csr_array(load_npz(path))
        rows.check_format(full_check=True)
    except Exception as error:  # of a damaged file, anything
        raise ValueError(
            f"{path}: cannot be read as sparse rows ({error}); save it again with scipy.sparse.save_npz"
        ) from error
    if rows.ndim != 2 or 0 in rows.shape or rows.dtype.kind not in "biuf":
        raise ValueError(
            f"{path} must hold rows (m, n) of real numbers and not be empty, got {rows.dtype} of shape {rows.shape}"
        )
    with np.errstate(over="ignore"):  # too large becomes infinite; the network refuses it
        return rows.astype(dtype)


def read_svmlight(path: Path, dtype: str, inputs: int | None = None, first: int | None = None) -> Svmlight:
    """Read a file by scikit-learn's reader.

    Parameters
    ----------
    path : Path
    dtype : {"float32", "float64"}
        Of X.
    inputs : int or None
        Features that X gets; None: as many as occur in the file.
    first : {0, 1} or None
        The number of the first feature; None: 0 where a feature 0 occurs, else 1.

    Raises
    ------
    ImportError
        Without scikit-learn.
    ValueError
        If the file can't be read, is empty, or has more than `inputs` features.
    """
    try:
        from scipy.sparse import csr_array
        from sklearn.datasets import load_svmlight_file
    except ImportError as error:
        raise ImportError(f"{path} needs scikit-learn: {install_command('sklearn')} ({error})") from error
    try:
        several = _several_labels(path)
        with np.errstate(over="ignore"):
            X, y = load_svmlight_file(
                str(path), dtype=np.dtype(dtype).type, zero_based=True, multilabel=several
            )
    except Exception as error:  # of a damaged file, anything
        raise ValueError(
            f"{path}: cannot be read as svmlight's format, lines of a label and feature:value pairs such as "
            f"'1 3:0.5 7:2' ({error}); a table of numbers ends in .csv"
        ) from error
    if not X.nnz:
        raise ValueError(f"{path} holds no examples with features")
    lowest = int(X.indices.min())
    first = min(lowest, 1) if first is None else first
    if lowest < first:
        raise ValueError(f"{path} has a feature 0; those of the training data are counted from 1")
    n = X.shape[1] - first
    if inputs is not None and n > inputs:
        raise ValueError(
            f"{path} has features up to {X.shape[1] - 1}, the network takes {inputs} from {first} on"
        )
    shape = (X.shape[0], n if inputs is None else inputs)
    X = csr_array((X.data, X.indices - first, X.indptr), shape=shape)
    labels = None
    if several:
        y, labels = _indicators(y)
    elif (y == np.trunc(y)).all() and (abs(y) < 2**53).all():
        y = y.astype(np.int64)  # classes are then named 1 and not 1.0
    return Svmlight(X, y, labels, first)


def _several_labels(path: Path) -> bool:
    """Whether the first example has labels with commas between them."""
    opened = _COMPRESSED.get(path.suffix.lower(), open)
    with opened(path, "rb") as file:
        for line in file:
            words = line.partition(b"#")[0].split()
            if words:
                return b"," in words[0]
    return False


def _indicators(labels: list[tuple[float, ...]]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Rows of 0 and 1, a column for each label that occurs."""
    known = sorted({label for some in labels for label in some})
    y = np.zeros((len(labels), len(known)))
    for row, some in zip(y, labels, strict=True):
        row[[known.index(label) for label in some]] = 1.0
    return y, tuple(f"{label:g}" for label in known)
