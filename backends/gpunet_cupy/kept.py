"""The program of the last run on a GPU: it is compiled, and has its arrays and its graph."""

from __future__ import annotations

from typing import Any

from gpunet.devices.kept_program import KeptProgram

BYTES = 128 << 20  # of device memory that a program may have


def bytes_of(arrays: Any) -> int:
    """The size of all arrays of a nest of lists and tuples."""
    if isinstance(arrays, list | tuple):
        return sum(map(bytes_of, arrays))
    return int(arrays.nbytes)


KEPT = KeptProgram()
