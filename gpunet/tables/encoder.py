"""Columns of a table to the inputs of a network."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import known_name, positive_int
from gpunet.tables import stored
from gpunet.tables.column import Column
from gpunet.tables.columns import COLUMNS
from gpunet.tables.left_out import reason_left_out
from gpunet.tables.missing import MISSING
from gpunet.tables.reading import KINDS, PLURALS, Misread, Reading, read_cells
from gpunet.tables.scaling import SCALINGS
from gpunet.tables.table import Table, as_table

VERSION = 1
_DTYPES = ("float32", "float64")
_LISTED = 12


class TableEncoder:
    """Turn a table's columns into numbers that a network learns from.

    Fitted on the training part alone. Columns are matched by name afterwards, whatever their order.

    - **Numbers** are scaled in float64. "standard": ``(x − mean) / deviation``. "robust" (RealMLP, Holzmüller et al.
      2024): ``z = (x − median) / (range of the quartiles)``, then ``z / sqrt(1 + (z/3)²)``, so that outliers and heavy
      tails do no harm.
    - **Categories** become one input per value (one-hot) up to `one_hot_limit` different values. Where there are more,
      they become 33 inputs: the frequency of the value, and a code of 32 zeros and ones from its hash. A value that
      the training part did not have is 0 in all of these inputs.
    - **Booleans** are 0 and 1. **Dates** become a trend, and sine and cosine of their place in year, week and day.
      Those with a time zone, or an offset from UTC, count in UTC, typed or as text; take the zone off
      (``tz_localize(None)`` in pandas) where the local time of day matters.
    - **Missing** cells are filled (numbers: 0 after scaling; categories: 0 in every input; booleans: their mean), and
      an input says which they are where the training part had any.
    - **Left out** are: a column with one value only; one without values; an unnamed column of row numbers; an id (all
      values different, and named like one, or text in at least 20 rows); columns of lists and other objects.

    What the cells of a column mean is decided in training and kept: see `gpunet.tables.reading`.

    Parameters
    ----------
    numbers : {"robust", "standard"}
        How numbers are scaled.
    one_hot_limit : int, default 50
        The largest number of different values that become one input each.
    kinds : dict of str to str, optional
        What a column is ("number", "category", "boolean", "date", "time"), where it is not what it looks like:
        ``{"zip": "category"}``.

    Attributes
    ----------
    left_out : dict of str to str
        The columns that become no input, and why.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range; by `fit` and `transform` for tables that can't be read, see there.

    Examples
    --------
    >>> rows = {"size": [1.0, 2.0, 3.0], "color": ["red", "blue", "red"]}
    >>> encoder = TableEncoder(numbers="standard").fit(rows)
    >>> encoder.feature_names
    ['size', 'color=blue', 'color=red']
    >>> encoder.transform({"color": ["green"], "size": [2.0]}).tolist()
    [[0.0, 0.0, 0.0]]
    """

    def __init__(
        self, numbers: str = "robust", *, one_hot_limit: int = 50, kinds: Mapping[str, str] | None = None
    ) -> None:
        self.numbers = known_name("scaling of numbers", numbers, SCALINGS)
        self.one_hot_limit = positive_int("one_hot_limit", one_hot_limit)
        if kinds is not None and not isinstance(kinds, Mapping):
            raise TypeError(f"kinds must be a dict such as {{'year': 'category'}}, got {kinds!r}")
        self.kinds = {
            str(name): known_name("kind of column", kind, KINDS) for name, kind in (kinds or {}).items()
        }
        self.left_out: dict[str, str] = {}
        self.missing: tuple[str, ...] = MISSING
        self.fitted = False
        self._columns: list[Column] = []

    def fit(self, data: Any) -> TableEncoder:
        """Learn from the training part.

        Parameters
        ----------
        data : Table, DataFrame of any library, or dict of str to sequence
            The training examples; the target column must not be among the columns. Where they were taken from a
            table (`Table.take`), all of its rows decide what the cells mean; the numbers are learned from these rows.

        Returns
        -------
        TableEncoder
            Itself.

        Raises
        ------
        ValueError
            If there are no rows, or no column is left.
        ImportError
            If the extra ``tables`` is not installed.
        """
        table = as_table(data)
        if len(table) == 0:
            raise ValueError(f"{table.name}: expected rows to learn from, got none")
        unknown = [name for name in self.kinds if name not in table.columns]
        if unknown:
            raise ValueError(f"{table.name}: kinds names {self._unknown(unknown[0], table.columns)}")
        columns, left_out = [], {}
        for cells in table.frame.get_columns():
            # A word among the numbers of a few rows must not surprise the encoder when it meets those rows later.
            everywhere = table.whole.frame[cells.name]
            reading = read_cells(everywhere, table.missing, table.decimal, kind=self.kinds.get(cells.name))
            reason = None if cells.name in self.kinds else reason_left_out(everywhere, reading)
            if reason is None and reading.present(cells).is_null().all():
                reason = "empty"
            if reason is None:
                column = COLUMNS[reading.kind](cells.name, reading, self._settings)
                column.fit(cells, table.decimal)
                if column.varies:
                    columns.append(column)
                else:
                    reason = "constant"
            if reason is not None:
                left_out[cells.name] = reason
        if not columns:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items()) or "it has none"
            raise ValueError(f"{table.name}: expected a column to learn from, all are left out ({reasons})")
        self._columns, self.left_out, self.missing, self.fitted = columns, left_out, table.missing, True
        return self

    def transform(self, data: Any, dtype: str = "float32") -> NDArray[Any]:
        """The inputs of a table's rows.

        Parameters
        ----------
        data : Table, DataFrame of any library, or dict of str to sequence
            Columns in any order; those that training did not have, or left out, are ignored.
        dtype : {"float32", "float64"}
            Of the result; computed in float64.

        Returns
        -------
        array, shape (m, n)
            One column per entry of `feature_names`, all finite.

        Raises
        ------
        ValueError
            If a column is missing (all of them are named), or a cell is not of its column's kind; for another dtype.
        """
        self._require_fitted()
        known_name("dtype", dtype, _DTYPES)
        table = as_table(data)
        self._require_columns(table)
        X = np.empty((len(table), len(self.feature_names)), dtype)
        limit = float(np.finfo(X.dtype).max)
        first = 0
        for column in self._columns:
            try:
                values = column.transform(table.frame[column.name], table.decimal)
            except Misread as error:
                raise ValueError(f"{table.place(error.row, column.name)}: {error}") from None
            X[:, first : first + values.shape[1]] = np.clip(values, -limit, limit)
            first += values.shape[1]
        return X

    def fit_transform(self, data: Any, dtype: str = "float32") -> NDArray[Any]:
        """`fit`, then `transform` of the same rows."""
        known_name("dtype", dtype, _DTYPES)  # before anything is learned
        table = as_table(data)
        return self.fit(table).transform(table, dtype)

    @property
    def feature_names(self) -> list[str]:
        """A name per input: ``size``, ``size is missing``, ``color=red``, ``day sine of year``."""
        return [name for column in self._columns for name in column.feature_names]

    @property
    def columns(self) -> list[str]:
        """Names of the columns that `transform` needs."""
        return [column.name for column in self._columns]

    @property
    def learned(self) -> tuple[Column, ...]:
        """The columns in the order of the inputs, with the numbers that were learned."""
        self._require_fitted()
        return tuple(self._columns)

    def extra_columns(self, data: Any) -> list[str]:
        """Names of a table's columns that training did not have, and that `transform` ignores.

        Parameters
        ----------
        data : Table, DataFrame of any library, or dict of str to sequence
        """
        self._require_fitted()
        known = {*self.columns, *self.left_out}
        return [name for name in as_table(data).columns if name not in known]

    def describe(self) -> list[str]:
        """What was understood: a line per kind of column, the missing cells, and what is left out."""
        self._require_fitted()
        lines = []
        for kind, plural in PLURALS.items():
            found = [_with(column.name, column.detail()) for column in self._columns if column.kind == kind]
            if found:
                lines.append(f"{plural}: {_listed(found)}")
        gaps = [f"{column.name} ({column.missing:,})" for column in self._columns if column.missing]
        if gaps:
            lines.append(f"missing cells: {_listed(gaps)}")
        if self.left_out:
            lines.append(f"left out: {_listed([_with(*item) for item in self.left_out.items()])}")
        return lines

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All that was learned, without pickle.

        Returns
        -------
        description : dict
            What `json.dumps` takes.
        arrays : dict of str to array
            float64 and int64, fit for safetensors; ``column 0 numbers`` and the like.
        """
        self._require_fitted()
        columns: list[dict[str, Any]] = []
        arrays: dict[str, NDArray[Any]] = {}
        for k, column in enumerate(self._columns):
            state, parameters = column.to_state()
            if column.reading.missing == self.missing:
                state["reading"]["missing"] = None  # as below, once for all
            columns.append(state)
            arrays |= {f"column {k} {name}": array for name, array in parameters.items()}
        description = {
            "version": VERSION,
            **self._settings,
            "kinds": self.kinds,
            "missing": list(self.missing),
            "left_out": self.left_out,
            "columns": columns,
        }
        return description, arrays

    @classmethod
    def from_state(cls, description: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> TableEncoder:
        """The encoder that `to_state` described.

        Raises
        ------
        ValueError
            If it comes from a later version of gpunet.
        KeyError
            If something is missing.
        """
        if description["version"] != VERSION:
            raise ValueError(
                f"expected a table encoder of version {VERSION}, got version {description['version']}; update gpunet"
            )
        encoder = cls(
            description["scaling"], one_hot_limit=description["one_hot_limit"], kinds=description["kinds"]
        )
        encoder._load(description, arrays)
        return encoder

    def __repr__(self) -> str:
        return f"TableEncoder(numbers={self.numbers!r}, one_hot_limit={self.one_hot_limit})"

    @property
    def _settings(self) -> dict[str, Any]:
        return {"scaling": self.numbers, "one_hot_limit": self.one_hot_limit}

    def _load(self, description: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        for name, reason in description["left_out"].items():
            self.left_out[name] = stored.text("a reason", reason)
        self.missing = stored.texts("missing words", description["missing"])
        for k, state in enumerate(description["columns"]):
            reading = Reading.from_state(state["reading"], self.missing)
            name = stored.text("a column's name", state["name"])
            column = COLUMNS[state["kind"]](name, reading, self._settings)
            column.load(state, {part: arrays[f"column {k} {part}"] for part in column.arrays})
            self._columns.append(column)
        self.fitted = True

    def _require_fitted(self) -> None:
        if not self.fitted:
            raise ValueError("this TableEncoder knows no table yet; call fit first")

    def _require_columns(self, table: Table) -> None:
        absent = [name for name in self.columns if name not in table.columns]
        if len(absent) == 1:
            raise ValueError(f"{table.name} lacks {self._unknown(absent[0], table.columns)}")
        if absent:
            raise ValueError(
                f"{table.name} lacks the columns {_listed([repr(name) for name in absent])}: "
                f"it has {_listed(table.columns)}"
            )

    @staticmethod
    def _unknown(name: str, columns: list[str]) -> str:
        near = difflib.get_close_matches(name, columns, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"the column {name!r}: the table has {_listed(columns)}{hint}"


def _with(name: str, detail: str) -> str:
    name = name or "unnamed column"
    return f"{name} ({detail})" if detail else name


def _listed(names: list[str]) -> str:
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[: _LISTED - 1])}, … {names[-1]} ({len(names):,} columns)"
