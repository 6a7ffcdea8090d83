"""Columns of DataFrames, which are known by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet.errors import ColumnsIgnored, warn
from gpunet.inputs.blocks.blocks import Blocks
from gpunet.inputs.table_forms import is_frame, is_table

_LISTED = 8


def column_names(name: str, X: Any) -> tuple[str, ...] | None:
    """Names of a DataFrame's columns, of any library, or of blocks that know them; None if X has none.

    Raises
    ------
    ValueError
        If two columns have one name.
    """
    if isinstance(X, Blocks):
        return None if X.column_names is None else tuple(X.column_names)
    if is_table(X) or not is_frame(X) or not hasattr(X, "shape"):
        return None
    from gpunet.tables.delimited import require_different
    from gpunet.tables.frames import names_of

    texts = tuple(str(column) for column in names_of(X))
    require_different(texts, name)
    return texts


def in_order(name: str, X: Any, columns: tuple[str, ...] | None) -> Any:
    """X with the columns of training, in their order; as it is if it, or they, have no names.

    Raises
    ------
    ValueError
        If columns are missing or share a name.
    ColumnsIgnored
        A warning: which columns are not among them.
    """
    if isinstance(X, Blocks):
        X = X.expecting(columns)  # some know their names only when they are read
    names = column_names(name, X)
    if names is None or columns is None:
        return X
    missing = [column for column in columns if column not in names]
    if missing:
        raise ValueError(
            f"{name} lacks the columns {quoted(missing)}, which the network was trained on; it has {quoted(names)}"
        )
    ignore(name, [column for column in names if column not in columns])
    return X if names == columns else chosen(X, names, columns)


def chosen(X: Any, names: Sequence[str], columns: Sequence[str]) -> Any:
    """A DataFrame of these names, or blocks, with some of its columns, in this order."""
    if hasattr(X, "iloc"):  # pandas, whose names need not be text
        return X.iloc[:, [names.index(column) for column in columns]]
    return X.select(columns) if hasattr(X, "select") else X[list(columns)]


def ignore(name: str, extra: Sequence[str]) -> None:
    """Warn of columns that the network was not trained on, if there are any."""
    if extra:
        warn(
            f"{name} has columns that the network was not trained on, and ignores: {quoted(extra)}",
            ColumnsIgnored,
        )


def quoted(names: Sequence[str]) -> str:
    """Names in a message: the first ones."""
    return ", ".join(repr(name) for name in names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
