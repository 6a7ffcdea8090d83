"""One column to inputs: what is learned of it in training, and what becomes of its cells.

Each class is one kind. `fit` learns, `transform` returns the inputs ``(m, k)`` in float64, `feature_names` names them,
`parameters` are the numbers that were learned.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gpunet.tables import scaling
from gpunet.tables.libraries import polars
from gpunet.tables.reading import Reading
from gpunet.tables.series import Series

Values = NDArray[np.float64]


class Column(ABC):
    """A column that becomes inputs.

    Parameters
    ----------
    name : str
        Its name.
    reading : Reading
        How its cells are read.
    settings : dict
        `scaling` ("standard" or "robust") and `one_hot_limit` (int).

    Attributes
    ----------
    missing : int
        How many cells were missing in training; where any were, an input says whether a cell is missing.
    """

    kind: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]] = ("numbers",)  # the names in `parameters`

    def __init__(self, name: str, reading: Reading, settings: dict[str, Any]) -> None:
        self.name, self.reading, self.settings = name, reading, settings
        self.missing = 0

    @abstractmethod
    def fit(self, cells: Series, decimal: str) -> None:
        """Learn from the training part."""

    @abstractmethod
    def transform(self, cells: Series, decimal: str) -> Values:
        """Inputs ``(m, k)``."""

    @property
    @abstractmethod
    def feature_names(self) -> list[str]:
        """One name per input."""

    @property
    def varies(self) -> bool:
        """Whether there is anything to learn from."""
        return bool(self.feature_names)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What JSON holds, and arrays."""
        state = {
            "kind": self.kind,
            "name": self.name,
            "reading": self.reading.to_state(),
            "missing": self.missing,
        }
        return state, self.parameters()

    def load(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `to_state` gave."""
        self.missing = int(state["missing"])
        self.set_parameters(state, arrays)

    @abstractmethod
    def parameters(self) -> dict[str, NDArray[Any]]:
        """The numbers that were learned."""

    @abstractmethod
    def set_parameters(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `parameters` gave."""

    def detail(self) -> str:
        """What a printout says beside the name."""
        return ""

    def missing_input(self, missing: NDArray[np.bool_]) -> list[Values]:
        """The input that says whether a cell is missing, if there is one."""
        return [missing.astype(np.float64)] if self.missing else []

    @property
    def missing_name(self) -> list[str]:
        """Its name."""
        return [f"{self.name} is missing"] if self.missing else []


class Number(Column):
    """A number: scaled; 0 where it is missing."""

    kind = "number"
    center, scale = 0.0, 0.0

    def fit(self, cells: Series, decimal: str) -> None:
        """Center and scale; a scale of 0 says that all values are equal."""
        x = self.reading.numbers(cells, decimal)
        missing = np.isnan(x)
        self.missing = int(missing.sum())
        x = x[~missing]
        self.center, self.scale = 0.0, 0.0
        if len(x):
            measure = scaling.robust_moments if self.settings["scaling"] == "robust" else scaling.moments
            self.center, self.scale = measure(x)

    def transform(self, cells: Series, decimal: str) -> Values:
        """The scaled number, unless it was constant; and whether it is missing."""
        x = self.reading.numbers(cells, decimal)
        missing = np.isnan(x)
        return stacked([*self.scaled(x, missing), *self.missing_input(missing)], len(x))

    def scaled(self, x: Values, missing: NDArray[np.bool_]) -> list[Values]:
        """The scaled number, if it varies."""
        if self.scale == 0:
            return []
        z = scaling.scaled(np.where(missing, self.center, x), self.center, self.scale)
        return [scaling.smooth_clip(z) if self.settings["scaling"] == "robust" else z]

    @property
    def feature_names(self) -> list[str]:
        """The column's name, and "… is missing"."""
        return [self.name] * (self.scale > 0) + self.missing_name

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Center and scale."""
        return {"numbers": np.array([self.center, self.scale])}

    def set_parameters(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Center and scale."""
        self.center, self.scale = map(float, arrays["numbers"])

    def detail(self) -> str:
        """The unit, and words that are taken as missing."""
        words = ", ".join(repr(word) for word in self.reading.words)
        unit = [f"in {self.reading.unit}"] if self.reading.unit else []
        return "; ".join(unit + ([f"{words} taken as missing"] if words else []))


class Boolean(Column):
    """0 or 1; the mean of training where it is missing."""

    kind = "boolean"
    mean, constant = 0.0, True

    def fit(self, cells: Series, decimal: str) -> None:
        """How often it is true."""
        x = self.reading.numbers(cells, decimal)
        missing = np.isnan(x)
        self.missing = int(missing.sum())
        x = x[~missing]
        self.mean = float(x.mean()) if len(x) else 0.0
        self.constant = not 0.0 < self.mean < 1.0

    def transform(self, cells: Series, decimal: str) -> Values:
        """0 or 1, unless it was constant; and whether it is missing."""
        x = self.reading.numbers(cells, decimal)
        missing = np.isnan(x)
        values = [] if self.constant else [np.where(missing, self.mean, x)]
        return stacked([*values, *self.missing_input(missing)], len(x))

    @property
    def feature_names(self) -> list[str]:
        """The column's name, and "… is missing"."""
        return [self.name] * (not self.constant) + self.missing_name

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The mean."""
        return {"numbers": np.array([self.mean])}

    def set_parameters(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """The mean."""
        self.mean = float(arrays["numbers"][0])
        self.constant = not 0.0 < self.mean < 1.0


class Category(Column):
    """Words. Few become one input each; many become a code.

    Up to `one_hot_limit` different values: one input per value, 1 where it is the cell's (one-hot). An unseen value has
    0 in all of them, which no seen value has.

    More: a frequency, ``log(count) / log(largest count)``, and a code of `CODE` inputs, `ONES` of which are 1: the
    SHA-256 of the value says which (Bloom embeddings, Serrà & Karatzoglou 2017). A value that training had once has
    frequency 0 and a code of zeros, as an unseen value has: so the network learns what an unseen value means.
    """

    kind = "category"
    arrays = ("counts",)
    CODE, ONES = 32, 4

    def fit(self, cells: Series, decimal: str) -> None:
        """The values of training, in sorted order, and how often each occurs."""
        present = self.reading.texts(cells)
        self.missing = int(present.null_count())
        counts = present.drop_nulls().rename("value").value_counts(name="count").sort("value")
        self.values: list[str] = counts["value"].to_list()
        self.counts: NDArray[np.int64] = counts["count"].to_numpy().astype(np.int64)

    def transform(self, cells: Series, decimal: str) -> Values:
        """One-hot, or frequency and code; and whether it is missing."""
        present = self.reading.texts(cells)
        missing = present.is_null().to_numpy()
        table = np.vstack(
            [self._codes(), np.zeros((1, self._width))]
        )  # the last row is for unseen and missing
        return np.hstack([table[self.positions(present)], stacked(self.missing_input(missing), len(missing))])

    def positions(self, present: Series) -> NDArray[np.int64]:
        """The position of each cell among the values of training; their number for an unseen or missing one."""
        pl = polars()
        found = present.cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.Int64)
        positions: NDArray[np.int64] = found.fill_null(len(self.values)).to_numpy()
        return positions

    @property
    def one_hot(self) -> bool:
        """Whether each value has an input of its own."""
        return len(self.values) <= int(self.settings["one_hot_limit"])

    @property
    def _width(self) -> int:
        if len(self.values) < 2:
            return 0
        return len(self.values) if self.one_hot else 1 + self.CODE

    def _codes(self) -> Values:
        """The inputs of each value of training."""
        if self._width == 0:
            return np.zeros((len(self.values), 0))
        if self.one_hot:
            return np.eye(len(self.values))
        codes = np.zeros((len(self.values), 1 + self.CODE))
        codes[:, 0] = np.log(self.counts) / max(np.log(self.counts.max()), 1e-9)
        for row, (value, count) in enumerate(zip(self.values, self.counts, strict=True)):
            if count > 1:
                codes[row, 1 + np.array(hashed(value, self.CODE, self.ONES))] = 1.0
        return codes

    @property
    def feature_names(self) -> list[str]:
        """``color=red``, or ``city frequency`` and ``city code 0``, …; and "… is missing"."""
        if self._width == 0:
            return self.missing_name
        if self.one_hot:
            names = [f"{self.name}={value}" for value in self.values]
        else:
            names = [f"{self.name} frequency", *(f"{self.name} code {k}" for k in range(self.CODE))]
        return names + self.missing_name

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The values in JSON, their counts as an array."""
        state, arrays = super().to_state()
        return state | {"values": self.values}, arrays

    def parameters(self) -> dict[str, NDArray[Any]]:
        """How often each value occurred."""
        return {"counts": self.counts}

    def set_parameters(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """The values and their counts."""
        self.values = list(state["values"])
        self.counts = np.asarray(arrays["counts"], np.int64)

    def detail(self) -> str:
        """How many values."""
        return f"{len(self.values):,} values" + ("" if self.one_hot or self._width == 0 else ", coded")


class Date(Number):
    """A date or a time of day: a trend (scaled as a number), and sine and cosine of its place in year, week and day.

    A place is an input only where it varies in training: where the deviation of its sine or cosine is above 0.05.
    """

    kind = "date"
    CYCLES: ClassVar[dict[str, float]] = {"year": 365.2425 * 86400, "week": 7 * 86400.0, "day": 86400.0}
    cycles: tuple[str, ...] = ()

    def fit(self, cells: Series, decimal: str) -> None:
        """Center and scale of the trend, and which cycles vary."""
        super().fit(cells, decimal)
        seconds = self.reading.numbers(cells)
        seconds = seconds[~np.isnan(seconds)]
        self.cycles = tuple(
            cycle
            for cycle in (("day",) if self.reading.kind == "time" else self.CYCLES)
            if len(seconds) and max(wave.std() for wave in self._waves(seconds, cycle)) > 0.05
        )

    def transform(self, cells: Series, decimal: str) -> Values:
        """Trend, places, and whether it is missing; a missing date has 0 everywhere."""
        seconds = self.reading.numbers(cells)
        missing = np.isnan(seconds)
        waves = [
            np.where(missing, 0.0, wave)
            for cycle in self.cycles
            for wave in self._waves(np.where(missing, 0.0, seconds), cycle)
        ]
        return stacked([*self.scaled(seconds, missing), *waves, *self.missing_input(missing)], len(seconds))

    def _waves(self, seconds: Values, cycle: str) -> tuple[Values, Values]:
        angle = 2 * np.pi * ((seconds / self.CYCLES[cycle]) % 1.0)
        return np.sin(angle), np.cos(angle)

    @property
    def feature_names(self) -> list[str]:
        """``day trend``, ``day sine of year``, …; and "… is missing"."""
        trend = [f"{self.name} trend"] * (self.scale > 0)
        waves = [f"{self.name} {wave} of {cycle}" for cycle in self.cycles for wave in ("sine", "cosine")]
        return trend + waves + self.missing_name

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The cycles in JSON, center and scale as an array."""
        state, arrays = super().to_state()
        return state | {"cycles": list(self.cycles)}, arrays

    def set_parameters(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Center, scale and cycles."""
        super().set_parameters(state, arrays)
        self.cycles = tuple(state["cycles"])

    def detail(self) -> str:
        """The format, where it was text."""
        return f"read as {self.reading.written}" if self.reading.written else ""


class Time(Date):
    """A time of day."""

    kind = "time"


COLUMNS: dict[str, type[Column]] = {kind.kind: kind for kind in (Number, Category, Boolean, Date, Time)}


def stacked(columns: list[Values], m: int) -> Values:
    """Columns ``(m,)`` side by side; ``(m, 0)`` if there are none."""
    return np.stack(columns, axis=1) if columns else np.zeros((m, 0))


def hashed(value: str, size: int, ones: int) -> list[int]:
    """`ones` different numbers below `size` that a text decides, the same on every machine."""
    digest = hashlib.sha256(value.encode("utf-8")).digest()
    order = np.argsort(np.frombuffer(digest, np.uint8)[:size], kind="stable")
    return [int(k) for k in order[:ones]]
