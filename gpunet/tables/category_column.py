"""Words to inputs: one-hot where they are few, a code where they are many."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.tables import stored
from gpunet.tables.class_names import canonical
from gpunet.tables.column import Column, Values, stacked
from gpunet.tables.libraries import polars
from gpunet.tables.series import Series


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
        """The position of each cell among the values of training; their number for an unseen or missing one.

        As for classes, 1 and 1.0 are one value, and so are True and true, unless training had both.
        """
        pl = polars()
        found = present.cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.Int64)
        others = present.filter(found.is_null()).drop_nulls().unique().to_list()
        if others:
            by_value = {canonical(value): k for k, value in enumerate(self.values)}
            numbers = [by_value.get(canonical(text)) for text in others]
            found = found.fill_null(present.replace_strict(others, numbers, default=None))
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
        self.values = list(stored.texts("values", state["values"]))
        self.counts = stored.numbers("counts", arrays["counts"], len(self.values), "i", 1)

    def detail(self) -> str:
        """How many values."""
        return f"{len(self.values):,} values" + ("" if self.one_hot else ", coded")


def hashed(value: str, size: int, ones: int) -> list[int]:
    """`ones` different numbers below `size` that a text decides, the same on every machine."""
    digest = hashlib.sha256(value.encode("utf-8")).digest()
    order = np.argsort(np.frombuffer(digest, np.uint8)[:size], kind="stable")
    return [int(k) for k in order[:ones]]
