"""Numbers to inputs of size one, in float64 whatever the network's dtype."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
SCALINGS = ("standard", "robust")
CLIP = 3.0  # the largest value after the smooth clip
LARGEST = 1e300


def moments(x: Values) -> tuple[float, float]:
    """Mean and standard deviation, by two passes about the first value.

    Counted from the first value and in units of the largest difference, nothing cancels and nothing overflows:
    a column of 1e30, of 1e-30, or of times in milliseconds within one hour comes out right.

    Parameters
    ----------
    x : array of float64, shape (m,), m ≥ 1
        Finite.
    """
    half = x / 2  # the difference of two halves is finite
    origin = half[0]
    shifted = half - origin
    unit = float(np.abs(shifted).max()) or 1.0
    scaled = shifted / unit
    mean = scaled.mean()
    deviation = np.sqrt(np.mean((scaled - mean) ** 2))
    return float(2 * (origin + unit * mean)), float(2 * (unit * deviation))


def robust_moments(x: Values) -> tuple[float, float]:
    """Median, and the range of the quartiles, as RealMLP scales (Holzmüller et al. 2024).

    Where the quartiles are equal, half the range of all values; 0 for a constant.

    Parameters
    ----------
    x : array of float64, shape (m,), m ≥ 1
        Finite.
    """
    low, quarter, median, three_quarters, high = np.quantile(x / 2, [0, 0.25, 0.5, 0.75, 1])
    if three_quarters > quarter:
        return float(2 * median), float(2 * (three_quarters - quarter))
    return float(2 * median), float(high - low)


def scaled(x: Values, center: float, scale: float) -> Values:
    """``(x − center) / scale``, without overflow on the way."""
    with np.errstate(over="ignore"):
        return np.clip((x / 2 - center / 2) / (scale / 2), -LARGEST, LARGEST)


def smooth_clip(z: Values) -> Values:
    """``z / sqrt(1 + (z/3)²)``: near 0 it is z, and no value goes beyond 3 (RealMLP)."""
    return z / np.hypot(1.0, z / CLIP)
