"""Arguments of kernels as machine code takes them.

It is called with the address of 64-bit words, one for each number and each array. That of an array is the address of
NumPy's object, ``id`` in CPython. Where the object has its data, shape and strides is a part of NumPy's C interface,
which extension modules are compiled with; to ask for them from Python takes longer than a small kernel runs.
"""

from __future__ import annotations

import functools
import struct
from typing import Any, NamedTuple

import numpy as np

ENTRY = "gpunet_kernel"  # the function of machine code that is called
HEAD = object.__basicsize__  # bytes of what every object begins with
DATA, SHAPE, STRIDES = 0, 2, 3  # where an array has the addresses of these, in words after it


class Packed(NamedTuple):
    """An argument of a kernel as machine code takes it."""

    value: Any  # which keeps the arrays alive
    words: bytes
    kinds: str  # the types of its numbers and arrays, in a row


def packed(value: Any) -> Packed:
    """A number, an array or a tuple of those as an argument of kernels. One that several calls have is packed once."""
    words: list[Any] = []
    kinds: list[str] = []
    _add(value, words, kinds)
    found = " ".join(kinds)
    return Packed(value, _packer(found).pack(*words), found)


def _add(value: Any, words: list[Any], kinds: list[str]) -> None:
    if isinstance(value, np.ndarray):
        words.append(id(value))
        if value.flags.c_contiguous:
            kinds.append(value.dtype.char + CONTIGUOUS[value.ndim])
            return
        if value.ndim != 2 or value.strides[1] != value.itemsize:
            raise ValueError(
                f"an array of shape {value.shape} has strides {value.strides}; rows must be contiguous"
            )
        kinds.append(value.dtype.char + "2A")
    elif isinstance(value, tuple):
        for one in value:
            _add(one, words, kinds)
    else:
        words.append(value)
        kinds.append("f" if isinstance(value, np.float32) else "d" if isinstance(value, float) else "i")


CONTIGUOUS = tuple(f"{ndim}C" for ndim in range(8))


@functools.cache
def _packer(kinds: str) -> struct.Struct:
    # A float32 fits into a float64.
    return struct.Struct("".join("d" if kind in ("f", "d") else "q" for kind in kinds.split()))
