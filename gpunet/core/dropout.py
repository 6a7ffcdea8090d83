"""Dropout masks that are the same on every array library (Srivastava et al. 2014).

The Array API has no random numbers. Keys are drawn on the host, one 32-bit integer per step and layer; the
mask is then a *function* of key and position, made where the data is: position and key are mixed by an
integer hash (two multiply-xorshift rounds, constants from Wellons' "hash prospector"), whose top bits
are compared with the rate. Counter-based generators are described in Salmon et al. 2011.
"""

from __future__ import annotations

from typing import Any

Array = Any
Namespace = Any

# All integers are int32 with wrap-around, which every library has: 0x9E3779B9, 0x7FEB352D, 0x846CA68B.
GOLDEN = -1640531527
FIRST = 2146121005
SECOND = -2073254261


def _shift(xp: Namespace, x: Array, bits: int) -> Array:
    """Logical right shift of int32: the sign bits that an arithmetic shift copies are masked off."""
    return xp.bitwise_and(xp.bitwise_right_shift(x, bits), (1 << (32 - bits)) - 1)


def _wrapped(number: int) -> int:
    """The int32 that an integer becomes with wrap-around."""
    return (number + 2**31) % 2**32 - 2**31


def keep_mask(
    xp: Namespace,
    key: Array,
    shape: tuple[int, int],
    rate: float,
    *,
    like: Array,
    columns: tuple[int, int] | None = None,
) -> Array:
    """A mask with entries 0 (dropped, with probability `rate`) and ``1/(1 − rate)``.

    Dividing by ``1 − rate`` here keeps the expectation of A, so that prediction needs no rescaling.

    Parameters
    ----------
    xp : Array API namespace
    key : int32 array, 0-d
        Differs from step to step and from layer to layer.
    shape : tuple of int
        ``(n, m)``.
    rate : float
        Probability of being dropped, ``0 ≤ rate < 1``.
    like : array
        The mask takes its dtype and device.
    columns : tuple of int, or None
        Bounds ``(first, last + 1)`` of the columns of that mask to make; None for all m.
    """
    n, m = shape
    device = getattr(like, "device", None)  # an array being traced for compilation has none
    if columns is None:
        position = xp.arange(n * m, dtype=xp.int32, device=device)
    else:  # those of these columns alone: the whole mask may be larger than memory
        first, last = columns
        row, column = (xp.arange(count, dtype=xp.int32, device=device) for count in (n, last - first))
        position = row[:, None] * _wrapped(m) + (column + _wrapped(first))[None, :]
        m = last - first
    x = position * GOLDEN + key
    x = xp.bitwise_xor(x, _shift(xp, x, 16)) * FIRST
    x = xp.bitwise_xor(x, _shift(xp, x, 15)) * SECOND
    x = xp.bitwise_xor(x, _shift(xp, x, 16))
    kept = _shift(xp, x, 8) >= round(rate * (1 << 24))
    return xp.reshape(xp.astype(kept, like.dtype), (n, m)) / (1.0 - rate)
