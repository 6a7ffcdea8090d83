"""What is a table, asked of the object alone: no library of tables is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from gpunet.devices.scipy_sparse import is_sparse


def is_table(X: Any) -> bool:
    """Whether X is a :class:`gpunet.tables.Table`; nothing is, if nobody has imported them."""
    module = sys.modules.get("gpunet.tables.table")
    return module is not None and isinstance(X, module.Table)


def is_frame(X: Any) -> bool:
    """Whether X knows the names of its columns: a Table, or a DataFrame of any library."""
    return hasattr(X, "columns") or getattr(X, "column_names", None) is not None  # the second is PyArrow's


def is_frame_or_series(X: Any) -> bool:
    """Whether X is a Table, a DataFrame, or a column of one."""
    return is_frame(X) or hasattr(X, "to_numpy")


def has_columns(X: Any) -> bool:
    """Whether X is a Table, a DataFrame, or a mapping of names to columns."""
    # SciPy's sparse matrix of keys is a mapping too.
    return is_frame(X) or (isinstance(X, Mapping) and not is_sparse(X))
