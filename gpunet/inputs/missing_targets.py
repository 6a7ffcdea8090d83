"""Rows whose target is missing: left out, and counted in a warning.

That is for targets in a column of a DataFrame's library, in words or other Python objects, and for all targets beside a
table. NaN in a plain array of numbers beside another one is more likely a mistake: those are refused where targets are
checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.devices.registry import backend_of
from gpunet.devices.scipy_sparse import from_cupy, is_sparse
from gpunet.errors import RowsLeftOut, warn
from gpunet.inputs.arrays import from_lists
from gpunet.inputs.blocks.blocks import Blocks
from gpunet.inputs.blocks.sliced import Sliced
from gpunet.inputs.fit_data import FitArrays
from gpunet.inputs.table_forms import has_columns, is_table

if TYPE_CHECKING:
    from gpunet.tables import Target

_NESTED = (list, tuple, dict, set, np.ndarray)


class Rows(NamedTuple):
    """Examples, as they were given."""

    X: Any
    y: Any
    sample_weight: Any


def fit_rows(target: Target | None, arrays: FitArrays) -> FitArrays:
    """What ``fit`` was given, without the rows whose target is missing; a warning says how many.

    Parameters
    ----------
    target : Target or None
        What is known of the targets.
    arrays : FitArrays
    """
    rows, found = _present("", target, Rows(arrays.X, arrays.y, arrays.sample_weight))
    arrays = arrays._replace(X=rows.X, y=rows.y, sample_weight=rows.sample_weight)
    if arrays.validation_data is not None:
        X, y, *weights = arrays.validation_pair()
        held, more = _present("validation ", target, Rows(X, y, *(weights or [None])))
        if more:
            found += more
            arrays = arrays._replace(validation_data=tuple(held)[: 2 + len(weights)])
    _warn(found)
    return arrays


def evaluate_rows(target: Target | None, X: Any, y: Any, sample_weight: Any) -> Rows:
    """What ``evaluate`` was given, in the same way."""
    rows, found = _present("", target, Rows(X, y, sample_weight))
    _warn(found)
    return rows


def _warn(found: list[str]) -> None:
    if found:
        warn(f"left out, because their target is missing: {' and '.join(found)}", RowsLeftOut)


def _present(prefix: str, target: Target | None, rows: Rows) -> tuple[Rows, list[str]]:
    """The rows that have a target, and a line if others were left out."""
    missing = _missing(target, rows.X, rows.y)
    if missing is None or not missing.any():
        return rows, []
    count, m = int(missing.sum()), len(missing)
    if row_count(rows.X) != m:
        raise ValueError(f"{prefix}y has {m} targets for {row_count(rows.X)} examples")
    if count == m:
        raise ValueError(f"{prefix}y: all of the {m} targets are missing")
    weights = rows.sample_weight
    if weights is not None and row_count(weights) != m:
        raise ValueError(
            f"{prefix}sample_weight must have shape ({m},), one for each example; got {row_count(weights)}"
        )
    kept = np.flatnonzero(~missing)
    chosen = (None if part is None else _take(part, kept) for part in rows)
    return Rows(*chosen), [f"{count:,} of {m:,} {prefix}rows"]


def _missing(target: Target | None, X: Any, y: Any) -> NDArray[np.bool_] | None:
    """Which targets are missing; None where none is to be left out."""
    if y is None:
        if not is_table(X) or X.labels is None:
            return None
        y = X
    elif isinstance(y, Sliced) or is_rows(y) or (_is_plain(y) and not has_columns(X)):
        return None
    else:
        source = backend_of(y)
        if source is not None:
            y = source.to_host(y)
        if isinstance(y, list | tuple) and any(isinstance(cell, _NESTED) and len(cell) != 1 for cell in y):
            return None  # ragged, as is said where targets are checked
    from gpunet.tables.target import missing_targets

    return missing_targets(y) if target is None else target.is_missing(y)


def is_rows(y: Any) -> bool:
    """Whether y has several columns: one-hot, labels, or several values."""
    shape = getattr(y, "shape", None)
    if shape is None and isinstance(y, list | tuple) and len(y) and isinstance(y[0], list | tuple):
        return len(y[0]) > 1
    return shape is not None and len(shape) == 2 and shape[1] > 1


def _is_plain(y: Any) -> bool:
    """Whether y holds numbers alone, in an array or a list."""
    if backend_of(y) is None:
        if hasattr(y, "to_numpy"):
            return False
        try:
            y = from_lists("y", y)
        except (ValueError, TypeError):
            return True  # reported where targets are checked
    return not isinstance(y, np.ndarray) or y.dtype.kind in "biuf"


def row_count(values: Any) -> int:
    """How many examples, targets or weights of any kind there are."""
    if isinstance(values, Mapping) and not is_sparse(values):  # SciPy's dictionary of keys is both
        return len(next(iter(values.values()), ()))
    shape = getattr(values, "shape", None)
    if shape is not None:
        return int(shape[0]) if shape else 1
    return len(values) if hasattr(values, "__len__") else 1


def first_gap(rows: NDArray[np.intp]) -> int:
    """The first number from 0 on that is not among these, which are in order."""
    gaps = np.flatnonzero(rows != np.arange(len(rows)))
    return int(gaps[0]) if len(gaps) else len(rows)


def _take(values: Any, rows: NDArray[np.intp]) -> Any:
    """Some rows of examples, targets or weights of any kind."""
    if isinstance(values, Blocks):
        raise ValueError(
            f"the target of row {first_gap(rows)} is missing, and rows of an X that is read block by block can't be "
            "left out: remove them, or give them weight 0 and any target"
        )
    if is_sparse(values):
        return from_cupy(values).tocsr()[rows]  # of some formats no rows can be taken
    if isinstance(values, Mapping):
        return {name: _take(column, rows) for name, column in values.items()}
    if hasattr(values, "iloc"):  # pandas
        return values.iloc[rows]
    if is_table(values) or hasattr(values, "combine_chunks"):  # PyArrow's, in chunks
        return values.take(rows)
    if isinstance(values, list | tuple):
        return [values[row] for row in rows]
    source = backend_of(values)
    if source is None and not hasattr(values, "to_numpy"):
        return np.asanyarray(values)[rows]
    if source is None or isinstance(values, np.ndarray):
        return values[rows] if not hasattr(values, "to_pylist") else values.take(rows)
    xp = source.namespace()
    index = source.from_host(rows.astype(np.int32), source.device_of(values))
    return xp.take(values, index, axis=0)
