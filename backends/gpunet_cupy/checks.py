"""What stands around the epochs of a run, in few launches: checks of its examples, class numbers, what is read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet.devices.checks import Found, Reach
from gpunet_cupy.data import ALIGNMENT, INTEGERS, VALUES
from gpunet_cupy.sources import THREADS, TYPES, function, launch

# Types of targets, in the kernels.
TARGETS = TYPES | INTEGERS | {
    "int32": "int",
    "uint32": "unsigned",
    "int64": "long long",
    "uint64": "unsigned long long",
}  # fmt: skip
BLOCKS_EACH = 8  # thread blocks for each multiprocessor
FINITE_BLOCKS = 64  # that look at parameters


def begin_check(rows: Any, y: Any, reach: Reach, every: int) -> Callable[[], Found] | None:
    """See :meth:`gpunet.Backend.begin_check`."""
    import cupy

    given = [array for array in (rows, y) if array is not None]
    if not given or not all(array.flags.c_contiguous for array in given):
        return None
    if (rows is not None and rows.dtype.name not in TYPES) or (y is not None and y.dtype.name not in TARGETS):
        return None
    m, n = given[0].shape[0], 0 if rows is None else rows.shape[1]
    k = 0 if y is None else y.size // m
    dtype = "float32" if rows is None else rows.dtype.name
    with given[0].device:
        kernel = function(
            *(dtype, "run/check_examples.cu", "check_examples"),
            VECTOR=1 if rows is None else _vector(rows),
            TARGET=TARGETS["float32" if y is None else y.dtype.name],
            CLASSES=int(reach.classes),
            SUM_TO_ONE=int(reach.sum_to_one),
            THREADS=THREADS,
        )
        most = given[0].device.attributes["MultiProcessorCount"] * BLOCKS_EACH
        blocks = max(min(most, -(-m * max(n // VALUES, 1) // THREADS)), 1)
        found = cupy.empty((blocks, 2), dtype=np.float64)
        launch(
            kernel,
            blocks * THREADS,
            *(rows, np.int64(m), np.int32(n), np.int64(every)),
            *(y, np.int32(k), np.float64(reach.low), np.float64(reach.high)),
            found,
        )

    def answer() -> Found:
        bad, size = found.get().sum(axis=0)
        sampled = -(-m // every) * n
        return Found(bad == 0, float(size / sampled) if sampled else None)

    return answer


def _vector(rows: Any) -> int:
    """Values of rows that a thread loads at a time."""
    aligned = rows.data.ptr % min(VALUES * rows.itemsize, ALIGNMENT) == 0
    return VALUES if rows.size % VALUES == 0 and aligned else 1


def one_hot(classes: Any, units: int, dtype: str) -> Any | None:
    """See :meth:`gpunet.Backend.one_hot`; None for class numbers of another type or layout."""
    import cupy

    if classes.dtype.name not in TARGETS or not classes.flags.c_contiguous:
        return None
    with classes.device:
        kernel = function(dtype, "run/one_hot.cu", "one_hot", TARGET=TARGETS[classes.dtype.name])
        rows = cupy.empty((classes.shape[0], units), dtype=dtype)
        launch(kernel, rows.size, classes, np.int32(units), np.int64(rows.size), rows)
    return rows


def losses_and_finite(losses: Any, arrays: Sequence[Any]) -> tuple[Any, bool] | None:
    """See :meth:`gpunet.Backend.losses_and_finite`; None unless arrays lie side by side, as programs return them."""
    import cupy

    first = side_by_side(arrays)
    if first is None or losses.dtype != first.dtype or first.dtype.name not in TYPES:
        return None
    steps, count = losses.shape[0], sum(array.size for array in arrays)
    blocks = min(FINITE_BLOCKS, -(-max(count, steps) // THREADS))
    with first.device:
        kernel = function(first.dtype.name, "run/read_back.cu", "read_back", THREADS=THREADS)
        out = cupy.empty(steps + blocks, dtype=first.dtype)
        launch(kernel, blocks * THREADS, losses, np.int32(steps), first, np.int64(count), out)
    read = out.get()
    return read[:steps].copy(), not read[steps:].any()


def side_by_side(arrays: Sequence[Any]) -> Any | None:
    """The first in memory of contiguous arrays that lie side by side; None if they do not."""
    ordered = sorted(arrays, key=lambda array: array.data.ptr)
    end = ordered[0].data.ptr
    for array in ordered:
        if array.data.ptr != end or not array.flags.c_contiguous or array.dtype != ordered[0].dtype:
            return None
        end += array.nbytes
    return ordered[0]
