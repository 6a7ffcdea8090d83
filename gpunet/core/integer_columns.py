"""Examples of small integers, as the pixels of images, as what a training run is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.columns import Columns

Array = Any

# Integers that take less memory than a float32 number, which holds each of them exactly.
SMALL_INTEGERS = ("bool", "uint8", "int8", "uint16", "int16")

CHUNK = 8192  # examples that become numbers at a time, on a host


class IntegerColumns(Columns):
    """Columns as examples, ``(n[0], m)``, whose `rows` are integers: they become numbers where they are read.

    The integer x of feature i is then the number ``(x − mean[i]) / deviation[i]``, computed in the dtype of these two,
    or x itself without them.

    Attributes
    ----------
    rows : array ``(m, n[0])``
        Of one of `SMALL_INTEGERS`, on the device.
    mean, deviation : array ``(n[0],)``, or None both
        In the dtype of the network.
    dtype : str
        That one.
    """

    mean: Array | None
    deviation: Array | None
    dtype: str

    def as_array(self) -> Array:
        """The numbers of all columns: several times the memory."""
        if not isinstance(self.rows, np.ndarray):
            return self.columns(slice(None))
        numbers = np.empty(self.rows.shape, self.dtype)
        for start in range(0, len(numbers), CHUNK):  # no copy but the result
            some = slice(start, start + CHUNK)
            numbers[some] = self.columns(some).T
        return numbers.T
