"""Normalising inputs with the training set's mean and deviation (C15)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet.core.checks import flag
from gpunet.inputs.dtypes import dtype_name
from gpunet.inputs.moments import Moments

Array = Any

SMALL = 1e-30  # a variance below it may have lost bits to the dtype's smallest numbers
CHUNK = 4096  # rows that are added up in the dtype
LARGEST_SUM = 4.0 * CHUNK  # of the differences of numbers up to 1
MOST_SQUARED = 2.0**28  # a number whose square, added up over a chunk, is far from the largest one
ROUNDINGS = 8  # relative ones that a constant feature's deviation may amount to


class Standardizer:
    """``x ← (x − μ) / σ``, with μ and σ of the training set, on every later input too (C15).

    Give one to :class:`gpunet.Network`; it is fitted by the first ``fit`` and saved with the network.

    Parameters
    ----------
    per : {"feature", "set"}
        One μ and σ for each feature, or one of each for all features together (the usual choice for images,
        where a pixel that is nearly always 0 would otherwise become very large).
    center : bool
        False leaves μ at 0 and divides alone: what sparse rows need, whose zeros must stay. σ is the deviation from the
        mean all the same.

    Attributes
    ----------
    mean, deviation : numpy.ndarray or None
        μ and σ of each of the n features, ``(n,)``, float64; None before fitting. A constant feature has deviation 1:
        it becomes 0, or stays as it is without `center`.

    Raises
    ------
    ValueError, TypeError
        If `per` or `center` is none of these.
    """

    def __init__(self, per: str = "feature", center: bool = True) -> None:
        if not isinstance(per, str) or per not in ("feature", "set"):
            raise ValueError(f"per must be 'feature' or 'set', got {per!r}")
        self.per = per
        self.center = flag("center", center)
        self.mean: Any = None
        self.deviation: Any = None

    @property
    def fitted(self) -> bool:
        """Whether μ and σ are known."""
        return self.mean is not None

    def measure(
        self, xp: Any, rows: Array, from_host: Any, to_host: Any, dtype: str | None = None
    ) -> tuple[Any, Any]:
        """μ and σ of rows ``(m, n)``, each ``(n,)`` float64 on the host; nothing is stored.

        `dtype` is the one in which integers are to be read.

        Raises
        ------
        ValueError
            If a deviation is too large for it.
        """
        dtype = dtype or dtype_name(rows)
        moments = _Moments(xp, rows, dtype, from_host, to_host)
        n = rows.shape[1]
        mean = moments.mean()
        if self.per == "set":
            mean = np.full(n, mean.mean())
        variance = moments.variance(mean)
        if self.per == "set":
            variance = np.full(n, variance.mean())
        deviation = np.sqrt(variance)
        odd = ~np.isfinite(variance) | (variance < SMALL)
        if odd.any():  # squares of large or small numbers leave the dtype's range
            deviation[odd] = moments.scaled_deviation(mean, np.flatnonzero(odd), together=self.per == "set")
        deviation = _without_rounding(deviation, mean, xp.finfo(getattr(xp, dtype)))
        return (mean if self.center else np.zeros(n)), deviation

    def measured(self, moments: Moments, dtype: Any) -> tuple[Any, Any]:
        """The same from the moments of rows of `dtype` that came block by block.

        Raises
        ------
        ValueError
            If a deviation is too large for `dtype`.
        """
        mean, deviation = moments.mean, moments.deviation
        if self.per == "set":
            mean, deviation = _together(mean, deviation)
        deviation = _without_rounding(deviation, mean, np.finfo(dtype))
        return (mean if self.center else np.zeros(len(mean))), deviation

    def measure_sparse(self, rows: Any) -> tuple[Any, Any]:
        """The same from SciPy's sparse rows.

        Raises
        ------
        ValueError
            With `center`: without their zeros, the rows would be dense. If a deviation is too large for their dtype.
        """
        self._require_no_mean()
        m, n = rows.shape
        features, values = rows.indices, rows.data.astype("float64", copy=False)
        present = np.bincount(features, minlength=n)
        # Divided by the largest, squares neither overflow nor vanish.
        largest = np.zeros(n)
        np.maximum.at(largest, features, np.abs(values))
        if self.per == "set":
            largest[:] = largest.max()
        scale = np.where(largest > 0, largest, 1.0)
        values = values / scale[features]
        mean = np.bincount(features, values, minlength=n) / m
        if self.per == "set":
            mean[:] = mean.mean()
        squares = np.bincount(features, (values - mean[features]) ** 2, minlength=n) + (m - present) * mean**2
        variance = squares / m
        if self.per == "set":
            variance[:] = variance.mean()
        deviation = _without_rounding(scale * np.sqrt(variance), scale * mean, np.finfo(rows.dtype))
        return np.zeros(n), deviation

    def apply_sparse(self, rows: Any) -> Any:
        """``x / σ`` for SciPy's sparse rows, which do not change; for errors see :meth:`measure_sparse`."""
        self._require_no_mean()
        scaled = rows.copy()
        scaled.data = rows.data / self.deviation.astype(rows.dtype)[rows.indices]
        return scaled

    def _require_no_mean(self) -> None:
        """Raise a ValueError if there is a mean to subtract."""
        if self.center:
            raise ValueError(
                "X is sparse, and a Standardizer that subtracts the mean would make all its zeros other numbers: use "
                "gpunet.Standardizer(center=False), which divides by the deviation alone, or pass X.toarray()"
            )

    def constants(self, dtype: str, from_host: Any) -> tuple[Array, Array]:
        """μ and σ, rounded to a dtype, on the device."""
        return from_host(self.mean.astype(dtype)), from_host(self.deviation.astype(dtype))

    def apply(self, xp: Any, rows: Array, from_host: Any, out: Any = None) -> Array:
        """``(x − μ) / σ`` for rows ``(m, n)``, in their dtype and on their device.

        NumPy's rows may go to `out`, of their shape and dtype, which may be the rows themselves.
        """
        mean, deviation = self.constants(dtype_name(rows), from_host)
        if out is not None:
            return np.divide(np.subtract(rows, mean, out=out), deviation, out=out)
        return (rows - mean) / deviation

    def __repr__(self) -> str:
        return f"Standardizer(per={self.per!r}{'' if self.center else ', center=False'})"


class _Moments(NamedTuple):
    """Sums over rows, in chunks: no copy of the data, sums of chunks in float64. Integers are read in `dtype`."""

    xp: Any
    rows: Array
    dtype: str
    from_host: Any
    to_host: Any

    def mean(self) -> Any:
        # Counted from the first row, a constant feature sums to exactly 0 however many rows there are.
        origin = self._read(self.rows[0, :])
        m = self.rows.shape[0]
        mean = self._total(self.rows, origin, 1) / m
        odd = np.flatnonzero(~np.isfinite(mean))
        if len(odd):  # sums of large numbers leave the dtype's range
            mean[odd] = self._large_total(odd) / m * LARGEST_SUM
        return self.to_host(origin).astype("float64") + mean

    def _large_total(self, features: Any) -> Any:
        """``Σ (x − x[0]) / LARGEST_SUM`` of some features; division by a power of 2 rounds none of them."""
        rows = self._features(features) / LARGEST_SUM
        return self._total(rows, rows[0, :], 1)

    def variance(self, mean: Any) -> Any:
        """Second pass about the mean: no cancellation."""
        return self._total(self.rows, self._on_device(mean), 2) / self.rows.shape[0]

    def scaled_deviation(self, mean: Any, features: Any, together: bool) -> Any:
        """Deviations of some features, from differences divided by the largest; 0 where there is none.

        `together` takes one deviation of all of them.
        """
        rows, centre = self._features(features), self._on_device(mean[features])
        with np.errstate(over="ignore"):  # the deviation is infinite then
            largest = self.to_host(self.xp.max(self.xp.abs(rows - centre), axis=0)).astype("float64")
        if together:
            largest = np.full(len(features), largest.max())
        # No larger than what has a reciprocal in the dtype: libraries multiply by it.
        most = float(self.xp.finfo(getattr(self.xp, self.dtype)).max) / MOST_SQUARED
        scale = np.where(largest > 0, np.minimum(largest, most), 1.0)
        squares = self._total(rows, centre, 2, self._on_device(scale)) / rows.shape[0]
        if together:
            squares = np.full(len(features), squares.mean())
        return scale * np.sqrt(squares)

    def _total(self, rows: Array, centre: Array, power: int, scale: Array | None = None) -> Any:
        """``Σ ((x − centre) / scale)^power``."""
        sums = np.zeros(rows.shape[1])
        for first in range(0, rows.shape[0], CHUNK):
            with np.errstate(over="ignore", invalid="ignore"):  # seen in the result
                chunk = self._read(rows[first : min(first + CHUNK, rows.shape[0]), :]) - centre
                if scale is not None:
                    chunk = chunk / scale
                sums += self.to_host(self.xp.sum(chunk**power, axis=0)).astype("float64")
        return sums

    def _features(self, features: Any) -> Array:
        return self._read(self.xp.take(self.rows, self.from_host(features.astype("int32")), axis=1))

    def _on_device(self, values: Any) -> Array:
        return self.from_host(values.astype(self.dtype))

    def _read(self, rows: Array) -> Array:
        return self.xp.astype(rows, getattr(self.xp, self.dtype), copy=False)


def _together(mean: Any, deviation: Any) -> tuple[Any, Any]:
    """μ and σ of all features together, of those of each; numbers are divided by a power of 2, for their squares."""
    exponent = np.frexp(np.maximum(deviation, np.abs(mean)).max())[1] + 1
    means, deviations = np.ldexp(mean, -exponent), np.ldexp(deviation, -exponent)
    centre = means.mean()
    # The variance of all numbers is that within the features and that between their means.
    variance = np.mean(deviations**2 + (means - centre) ** 2)
    n = len(mean)
    return np.full(n, np.ldexp(centre, exponent)), np.full(n, np.ldexp(np.sqrt(variance), exponent))


def _without_rounding(deviation: Any, sizes: Any, dtype_info: Any) -> Any:
    """Deviations, 1 for constant features, whose numbers are of these sizes.

    Rounding can leave such a feature with a deviation that is tiny beside its size; it would become large by division.

    Raises
    ------
    ValueError
        If a deviation is so large that its reciprocal is none of the dtype's normal numbers.
    """
    large = np.flatnonzero(~(deviation <= float(dtype_info.max) / 4))
    if len(large):
        raise ValueError(
            f"X holds numbers in column {large[0]} that lie too far apart for float{dtype_info.bits}, with a deviation "
            f"of more than {float(dtype_info.max) / 4:.1e}: divide them by a large number first"
        )
    return np.where(deviation <= float(dtype_info.eps) * np.abs(sizes) * ROUNDINGS, 1.0, deviation)
