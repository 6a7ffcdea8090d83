"""Numbers and booleans to inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.tables import scaling, stored
from gpunet.tables.column import Column, Values, stacked
from gpunet.tables.series import Series


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
        center, scale = stored.numbers("center and scale", arrays["numbers"], 2, "f", -np.inf)
        if scale < 0:
            raise ValueError(f"the scale of {self.name!r} must be at least 0, got {scale}")
        self.center, self.scale = float(center), float(scale)

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
        (mean,) = stored.numbers("the mean", arrays["numbers"], 1, "f", 0.0)
        self.mean = float(mean)
        self.constant = not 0.0 < self.mean < 1.0
