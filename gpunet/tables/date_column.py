"""Dates and times of day to inputs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import known_name
from gpunet.tables import stored
from gpunet.tables.column import Values, stacked
from gpunet.tables.number_column import Number
from gpunet.tables.series import Series


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
        self.cycles = stored.texts("cycles", state["cycles"])
        for cycle in self.cycles:
            known_name("cycle", cycle, self.CYCLES)

    def detail(self) -> str:
        """The format, where it was text."""
        return f"read as {self.reading.written}" if self.reading.written else ""


class Time(Date):
    """A time of day."""

    kind = "time"
