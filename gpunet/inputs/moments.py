"""Mean and variance of rows that come block by block, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST = -1000  # exponent of 2: its reciprocal, and squares of smaller numbers times that, are float64
ROWS = 1024  # that are in float64 at a time


class Moments:
    """Mean and sum of squared deviations of each feature, in float64.

    Two sets A and B of rows are merged with the update of Chan, Golub and LeVeque (1979), which loses no digits where
    the mean is large beside the deviation::

        δ = μ_B − μ_A
        μ = μ_A + δ m_B / m
        S = S_A + S_B + δ² m_A m_B / m        m = m_A + m_B

    Numbers are divided by a power of 2 near the largest one of their feature, which rounds none: squares of very
    large and very small numbers neither overflow nor vanish.

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
        self._exponent: Any = LOWEST  # what the power of 2 is, of each feature

    def add(self, rows: NDArray[Any]) -> None:
        """Take in a block of rows ``(m, n)``, at least one."""
        if not self.count:
            # Counted from the first row, a constant feature is exactly 0.
            self._origin = rows[0].astype(np.float64)
        for first in range(0, len(rows), ROWS):
            with np.errstate(over="ignore", invalid="ignore"):  # seen in the result
                some = rows[first : first + ROWS].astype(np.float64) - self._origin
                some *= np.ldexp(1.0, -self._grown(np.maximum(some.max(axis=0), -some.min(axis=0))))
                mean = some.mean(axis=0)
                self._merge(len(some), mean, np.square(some - mean).sum(axis=0))

    def _grown(self, largest: NDArray[np.float64]) -> Any:
        """The exponents for numbers up to these, too; what has been added up so far is in their unit afterwards."""
        exponent = np.maximum(self._exponent, np.where(largest > 0, np.frexp(largest)[1], LOWEST))
        shrunk = np.ldexp(1.0, self._exponent - exponent)
        self._mean, self._squares = self._mean * shrunk, self._squares * shrunk**2
        self._exponent = exponent
        return exponent

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
        mean: NDArray[np.float64] = self._origin + np.ldexp(self._mean, self._exponent)
        return mean

    @property
    def deviation(self) -> NDArray[np.float64]:
        """``√(S / m)``, ``(n,)``; infinity or NaN where numbers lie farther apart than float64 reaches."""
        deviation: NDArray[np.float64] = np.ldexp(np.sqrt(self._squares / self.count), self._exponent)
        return deviation
