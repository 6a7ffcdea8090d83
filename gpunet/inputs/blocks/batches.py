"""Record batches of Arrow datasets and of Polars' lazy frames, as pieces of examples."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def is_lazy_table(X: Any) -> bool:
    """Whether X is a ``pyarrow.dataset.Dataset`` or a ``polars.LazyFrame``; neither if nobody has imported them."""
    return any(
        module is not None and isinstance(X, getattr(module, kind))
        for module, kind in (
            (sys.modules.get("pyarrow.dataset"), "Dataset"),
            (sys.modules.get("polars"), "LazyFrame"),
        )
    )


def pieces(name: str, X: Any, y: Any, sample_weight: Any) -> Callable[[], Iterator[tuple[Any, ...]]]:
    """A function whose generator gives ``(X, y)``, or ``(X, y, sample_weight)``, of each batch.

    Parameters
    ----------
    name : str
        Of X, in messages.
    X : pyarrow.dataset.Dataset or polars.LazyFrame
    y : str
        Name of the target column.
    sample_weight : str or None
        Name of the column of weights.

    Raises
    ------
    TypeError, ValueError
        If y is no name of a column.
    """
    schema = X.schema if hasattr(X, "to_batches") else X.collect_schema()
    names = list(schema.names if hasattr(X, "to_batches") else schema.names())
    if y is None:
        raise TypeError(
            f"y must be the name of a column of {name}, got None: {name} is read with its targets. To predict, give "
            "the rows in memory, as dataset.to_table() or frame.collect() returns them"
        )
    others = named_columns(name, names, y, sample_weight)
    features = [column for column in names if column not in others]

    def batches() -> Iterator[tuple[Any, ...]]:
        for batch in X.to_batches() if hasattr(X, "to_batches") else X.collect_batches():
            columns = {column: np.asarray(batch[column]) for column in names}
            if len(columns[y]):
                rows = np.stack([columns[column] for column in features], axis=1)
                yield (rows, *(columns[column] for column in others))

    return batches


def named_columns(name: str, names: list[str], y: Any, sample_weight: Any) -> list[str]:
    """The columns of targets and, if there are some, of weights.

    Raises
    ------
    TypeError, ValueError
        If one is not among the columns.
    """
    found = [y] if sample_weight is None else [y, sample_weight]
    for what, column in zip(("y", "sample_weight"), found, strict=False):
        if not isinstance(column, str):
            raise TypeError(f"{what} must be the name of a column of {name}, got {type(column).__name__}")
        if column not in names:
            listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
            raise ValueError(f"{name} has no column {column!r} for {what}: it has {listed}")
    if set(names) <= set(found):
        raise ValueError(f"{name} has no column of features: it has {', '.join(names)} alone")
    return found
