"""Columns of tables that are read block by block: which ones are what, and that none of their cells is missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def features_and_more(
    name: str, names: Sequence[str], y: Any, sample_weight: Any
) -> tuple[list[str], list[str]]:
    """The columns of a table that are features, and those of targets and, if there are some, of weights.

    The row labels that pandas stores without a name are none of them. Without y all others are features.

    Raises
    ------
    TypeError, ValueError
        If one is not among the columns, two columns have one name, or there are no features.
    """
    from gpunet.tables.delimited import require_different

    require_different(names, name)
    names = [column for column in names if not is_stored_index(column)]
    found = [] if y is None else [y] if sample_weight is None else [y, sample_weight]
    for what, column in zip(("y", "sample_weight"), found, strict=False):
        if not isinstance(column, str):
            raise TypeError(f"{what} must be the name of a column of {name}, got {type(column).__name__}")
        if column not in names:
            listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
            raise ValueError(f"{name} has no column {column!r} for {what}: it has {listed}")
    features = [column for column in names if column not in found]
    if not features:
        raise ValueError(f"{name} has no column of features: it has {', '.join(names)} alone")
    return features, found


def is_stored_index(column: str) -> bool:
    """Whether a column holds the row labels of a pandas DataFrame, which are stored under such a name."""
    return re.fullmatch(r"__index_level_\d+__", column) is not None


def present(name: str, column: str, cells: NDArray[Any], first_row: int) -> NDArray[Any]:
    """Targets or weights of a table's column, the first of which is that of `first_row`; none is missing.

    Raises
    ------
    ValueError
        Naming the first row without one.
    """
    if cells.dtype.kind == "f":
        missing = np.isnan(cells)
    else:
        missing = np.array([cell is None for cell in cells] if cells.dtype.kind == "O" else [], bool)
    if missing.any():
        raise ValueError(
            f"{name}: the {column!r} of row {first_row + int(np.argmax(missing))} is missing, and rows of an X that is "
            "read block by block can't be left out: remove such rows"
        )
    return cells
