"""How large inputs and targets are: networks learn best from numbers of about 1 (C15)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.errors import UnscaledInputs, warn

Array = Any

# Means of |x| and |y| above which numbers count as large; standardised ones have 0.8.
LARGE_INPUT, LARGE_TARGET = 10.0, 100.0
SAMPLE = 1000  # examples that are looked at before training


def mean_size(xp: Any, A: Array) -> float:
    """The mean of ``|a|``."""
    with np.errstate(all="ignore"):
        return float(xp.mean(xp.abs(A)))


def warn_of_unscaled(xp: Any, X: Array) -> None:
    """Warn if the columns X are large."""
    size = mean_size(xp, X[:, :: max(X.shape[1] // SAMPLE, 1)])
    if not size <= LARGE_INPUT:
        warn(
            f"the inputs are not scaled (mean |x| is {size:.3g}, about 1 is usual), which makes training slow or "
            "unstable: give the Network standardizer=gpunet.Standardizer(), or Standardizer('set') for images",
            UnscaledInputs,
        )
