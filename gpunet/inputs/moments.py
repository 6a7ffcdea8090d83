"""Mean and variance of rows that come block by block, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 1024  # that are in float64 at a time


class Moments:
    """Mean and sum of squared deviations of each feature, in float64.

    Two sets A and B of rows are merged with the update of Chan, Golub and LeVeque (1979), which loses no digits where
    the mean is large beside the deviation::

        δ = μ_B − μ_A
        μ = μ_A + δ m_B / m
        S = S_A + S_B + δ² m_A m_B / m        m = m_A + m_B

    Attributes
    ----------
    count : int
        Rows so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._origin: Any = 0.0
        self._mean: Any = 0.0  # counted from the origin
        self._squares: Any = 0.0

    def add(self, rows: NDArray[Any]) -> None:
        """Take in a block of rows ``(m, n)``, at least one."""
        if not self.count:
            # Counted from the first row, a constant feature is exactly 0.
            self._origin = rows[0].astype(np.float64)
        for first in range(0, len(rows), ROWS):
            some = rows[first : first + ROWS].astype(np.float64) - self._origin
            mean = some.mean(axis=0)
            with np.errstate(over="ignore"):  # seen in the result
                self._merge(len(some), mean, np.square(some - mean).sum(axis=0))

    def _merge(self, count: int, mean: Any, squares: Any) -> None:
        """See the class."""
        total = self.count + count
        delta = mean - self._mean
        self._mean = self._mean + delta * (count / total)
        self._squares = self._squares + squares + delta**2 * (self.count * (count / total))
        self.count = total

    @property
    def mean(self) -> NDArray[np.float64]:
        """μ, ``(n,)``."""
        mean: NDArray[np.float64] = self._origin + self._mean
        return mean

    @property
    def variance(self) -> NDArray[np.float64]:
        """``S / m``, ``(n,)``."""
        variance: NDArray[np.float64] = self._squares / self.count
        return variance
