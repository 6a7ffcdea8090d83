"""Examples of small integers, as the pixels of images, as what a training run is given."""

from __future__ import annotations

from typing import Any

from gpunet.core.columns import Columns

Array = Any

# Integers that take less memory than a float32 number, which holds each of them exactly.
SMALL_INTEGERS = ("bool", "uint8", "int8", "uint16", "int16")


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
    """

    mean: Array | None
    deviation: Array | None

    def as_array(self) -> Array:
        """The numbers of all columns: several times the memory."""
        return self.columns(slice(None))
