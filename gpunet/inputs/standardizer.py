"""Normalising inputs with the training set's mean and deviation (C15)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


class Standardizer:
    """``x ← (x − μ) / σ``, with μ and σ of the training set, on every later input too (C15).

    Give one to :class:`gpunet.Network`; it is fitted by the first ``fit`` and travels with the saved network.

    Parameters
    ----------
    per : {"feature", "set"}
        One μ and σ for each feature, or one of each for all features together (the usual choice for images,
        where a pixel that is nearly always 0 would otherwise be blown up).

    Attributes
    ----------
    mean, deviation : numpy.ndarray or None
        ``(n,)``, float64; None before fitting. A constant feature has deviation 1: it becomes 0.
    """

    def __init__(self, per: str = "feature") -> None:
        if per not in ("feature", "set"):
            raise ValueError(f"per must be 'feature' or 'set', got {per!r}")
        self.per = per
        self.mean: Any = None
        self.deviation: Any = None

    @property
    def fitted(self) -> bool:
        """Whether μ and σ are known."""
        return self.mean is not None

    def measure(self, xp: Any, rows: Array, from_host: Any, to_host: Any) -> tuple[Any, Any]:
        """μ and σ of rows ``(m, n)``, each ``(n,)`` float64 on the host; nothing is stored."""
        m, n = rows.shape

        def total(centre: Array, power: int) -> Any:
            """``Σ (x − centre)^power``, in chunks: no copy of the data, sums of chunks in float64."""
            sums = np.zeros(n)
            for first in range(0, m, 4096):
                chunk = rows[first : min(first + 4096, m), :] - centre
                sums += to_host(xp.sum(chunk**power, axis=0)).astype("float64")
            return sums

        # Counted from the first row, a constant feature sums to exactly 0 however many rows there are.
        origin = rows[0, :]
        mean = to_host(origin).astype("float64") + total(origin, 1) / m
        if self.per == "set":
            mean = np.full(n, mean.mean())
        # Second pass about the mean: no cancellation.
        variance = total(from_host(mean.astype(str(rows.dtype).rpartition(".")[2])), 2) / m
        if self.per == "set":
            variance = np.full(n, variance.mean())
        deviation = np.sqrt(variance)
        # Rounding can leave a constant feature with a tiny deviation: compare with its size.
        tiny = float(xp.finfo(rows.dtype).eps) * np.maximum(np.abs(mean), 1e-30) * 8
        deviation[deviation <= tiny] = 1.0
        return mean, deviation

    def apply(self, xp: Any, rows: Array, from_host: Any) -> Array:
        """``(x − μ) / σ`` for rows ``(m, n)``, in their dtype and on their device."""
        kind = str(rows.dtype).rpartition(".")[2]
        mean, deviation = (from_host(v.astype(kind)) for v in (self.mean, self.deviation))
        return (rows - mean) / deviation

    def __repr__(self) -> str:
        return f"Standardizer(per={self.per!r})"
