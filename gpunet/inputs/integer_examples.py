"""Rows of small integers as training examples on a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.integer_columns import SMALL_INTEGERS, IntegerColumns
from gpunet.devices.placement import Placement
from gpunet.inputs.dtypes import dtype_name
from gpunet.inputs.standardizer import Standardizer

Array = Any

CHUNK = 8192  # examples that become numbers at a time


def is_small_integers(X: Any) -> bool:
    """Whether X is an array, of any library, with a dtype of `SMALL_INTEGERS`."""
    return dtype_name(X) in SMALL_INTEGERS


def keeps_integers(X: Any, placement: Placement, standardizer: Standardizer | None) -> bool:
    """Whether X may stay as it is on the device: no subclass, whose `apply` may be another one, standardises it."""
    known = standardizer is None or type(standardizer) is Standardizer
    return known and placement.backend.reads_integers and is_small_integers(X)


class IntegerExamples(IntegerColumns):
    """Columns that stay integers on their device. Their numbers are, to the bit, those that come of casting the rows.

    Parameters
    ----------
    rows : array ``(m, n[0])``
    placement : Placement
    dtype : str
        Of the numbers.
    standardizer : Standardizer or None
        One that is not fitted leaves X as it is.
    """

    def __init__(
        self, rows: Array, placement: Placement, dtype: str, standardizer: Standardizer | None
    ) -> None:
        self.rows = rows
        self.placement = placement
        self.dtype = dtype
        self.standardizer = standardizer if standardizer is not None and standardizer.fitted else None
        self.mean = self.deviation = None
        if self.standardizer is not None:
            self.mean, self.deviation = self.standardizer.constants(dtype, placement.to_device)

    def columns(self, chosen: Any) -> Array:
        """See :class:`gpunet.core.columns.Columns`."""
        xp = self.placement.xp
        numbers = xp.astype(self._rows(chosen), getattr(xp, self.dtype))
        if self.standardizer is not None:
            numbers = self.standardizer.apply(xp, numbers, self.placement.to_device)
        return numbers.T

    def take(self, chosen: Any) -> IntegerExamples:
        """Some of the examples; `chosen` is a slice or an int32 array on the device."""
        return self.of(self._rows(chosen))

    def of(self, rows: Array) -> IntegerExamples:
        """Other rows in the place of these."""
        return IntegerExamples(rows, self.placement, self.dtype, self.standardizer)

    def _rows(self, chosen: Any) -> Array:
        if isinstance(chosen, slice):
            return self.rows[chosen, :]
        return self.placement.xp.take(self.rows, chosen, axis=0)

    def as_array(self) -> Array:
        """See :class:`gpunet.core.integer_columns.IntegerColumns`; on the host there is no copy but the result."""
        if type(self.rows) is not np.ndarray:
            return super().as_array()
        numbers = np.empty(self.rows.shape, self.dtype)
        for start in range(0, len(numbers), CHUNK):
            some = slice(start, start + CHUNK)
            numbers[some] = self.columns(some).T
        return numbers.T
