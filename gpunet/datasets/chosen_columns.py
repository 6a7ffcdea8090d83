"""Which columns of a table are features and which one is the target, as somebody names them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from gpunet.tables.delimited import require_different

Columns = str | int | Sequence[str | int]


def asked_for(
    target: str | int | None, drop: Columns = (), columns: Columns | None = None
) -> list[str | int]:
    """All columns that are named."""
    wanted = [] if columns is None else _as_list(columns)
    return [*_as_list(drop), *wanted, *([] if target is None else [target])]


def chosen_columns(
    names: Sequence[str],
    name: str,
    target: str | int | None,
    drop: Columns = (),
    columns: Columns | None = None,
) -> tuple[list[str], str | None]:
    """The features, and the target or None.

    Parameters
    ----------
    names : sequence of str
        Of all columns.
    name : str
        Of the table, in messages.
    target, drop, columns
        See `gpunet.datasets.read_table`.

    Raises
    ------
    ValueError
        If a column is unknown, is asked for twice, is the target and to be dropped, or if no feature is left.
    """
    names = list(names)
    goal = None if target is None else names[_position(target, names, name)]
    dropped = {names[_position(column, names, name)] for column in _as_list(drop)}
    if goal in dropped:
        raise ValueError(
            f"{name}: {goal!r} is the target, and is to be dropped: a target is no feature anyway"
        )
    without = {goal, *dropped}
    if columns is None:
        features = [column for column in names if column not in without]
    else:
        features = [names[_position(column, names, name)] for column in _as_list(columns)]
        require_different(features, f"{name}: columns")
        both = [column for column in features if column in without]
        if both:
            raise ValueError(f"{name}: {both[0]!r} is asked for as a feature, and as target or to be dropped")
    if not features:
        beside = "" if goal is None else f" beside the target {goal!r}"
        raise ValueError(
            f"{name}: expected at least one feature column{beside}, got {', '.join(names)}; "
            "if these are several columns in one, name the separator"
        )
    return features, goal


def _as_list(columns: str | int | Sequence[str | int]) -> list[str | int]:
    if isinstance(columns, str):
        return [column.strip() for column in columns.split(",") if column.strip()]
    if isinstance(columns, Iterable):
        return list(columns)
    return [columns]  # a number, or what is refused as a name


def _position(column: str | int, names: list[str], where: str) -> int:
    """Find a column by its name, or by its number, which may come as text from a command line."""
    if isinstance(column, bool) or not isinstance(column, str | int):
        raise TypeError(f"a column is named by its name or number, got {column!r}")
    if column in names:
        return names.index(str(column))
    try:
        number = int(column)
    except ValueError:
        near = difflib.get_close_matches(str(column), names, 1)
        known = ", ".join(name or "an unnamed one" for name in names[:20]) + (
            ", …" if len(names) > 20 else ""
        )
        hint = f"; did you mean {near[0]!r}?" if near else "; name one by its number from 0"
        raise ValueError(f"{where} has no column {column!r}: it has {known}{hint}") from None
    if not -len(names) <= number < len(names):
        raise ValueError(
            f"{where} has {len(names)} columns, numbered from 0 to {len(names) - 1}; got number {number}"
        )
    return number % len(names)
