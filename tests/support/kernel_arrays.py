"""What kernels read and write: arrays between guards, rows of values or of bfloat16 parts, partial sums."""

import numpy as np
import pytest

from gpunet_cupy.products import LEFT, PAIRS, RIGHT, pitch
from gpunet_cupy.support import braces

GUARD = 64


class Guarded:
    """Arrays that notice writes beside them."""

    def __init__(self):
        self.made = []

    def __call__(self, values, dtype):
        values = np.asarray(values, dtype=dtype)
        room = np.full(values.size + 2 * GUARD, 77, dtype=dtype)
        view = room[GUARD:-GUARD].reshape(values.shape)
        view[...] = values
        self.made.append(room)
        return view

    def empty(self, shape, dtype):
        return self(np.full(shape, np.nan), dtype)

    def check(self):
        for room in self.made:
            assert (room[:GUARD] == 77).all() and (room[-GUARD:] == 77).all(), (
                "a kernel wrote beside an array"
            )


def launch(kernel, threads, *arguments):
    kernel((-(-threads // 96),), (96,), arguments)


BFLOAT16_SCALE = 2**-8 / 3e-6  # of the tolerance of float32


def near(got, wanted, dtype, scale=1.0):
    tolerance = scale * (3e-6 if dtype == "float32" else 1e-13)
    return np.allclose(got, wanted, rtol=tolerance, atol=tolerance)


class Stored:
    """Rows as products read them: plain values, or float32 values as bfloat16 parts of some pairs."""

    def __init__(self, dtype, pairs):
        self.dtype, self.pairs = dtype, pairs
        self.number = (dtype == "float32") + (pairs > 0) + (pairs == 1)  # of the variant, for cases in turn
        self.left, self.right = LEFT[-pairs:], RIGHT[-pairs:]
        self.macros = (
            {"PAIRS": pairs, "LEFT": braces(*self.left), "RIGHT": braces(*self.right)}
            if pairs
            else {"PAIRS": 0}
        )

    def empty(self, array, m, n):
        """An array for m rows of n values; what lies between parts is 0."""
        if self.pairs:
            return array(np.zeros((m, self.pairs, pitch(n))), "uint16")
        return array.empty((m, n), self.dtype)

    def hold(self, rows, n, sides, wanted, scale=1.0):
        """Whether values in `rows` are those `wanted`, NaN too: of single parts, within their rounding."""
        scale, found = max(scale, BFLOAT16_SCALE) if self.pairs == 1 else scale, self.values(rows, n, sides)
        same = np.array_equal(np.isnan(found), np.isnan(wanted))
        return same and near(np.nan_to_num(found), np.nan_to_num(wanted), self.dtype, scale)

    def values(self, rows, n, sides):
        """The values in `rows`; every pair has the part that it needs, and what lies between is still 0."""
        if not self.pairs:
            return rows
        assert not rows[:, :, n:].any()
        parts = (rows[:, :, :n].astype("uint32") << 16).view("float32")
        if self.pairs == 1:
            return parts[:, 0]
        found = [parts[:, sides.index(part)] for part in range(3)]
        for pair, part in enumerate(sides):
            assert np.array_equal(parts[:, pair], found[part], equal_nan=True)
        assert (np.abs(found[1]) <= np.abs(found[0]) / 256).all() or np.isnan(found[0]).any()
        return np.sum(found, axis=0, dtype="float64").astype("float32")


STORED = pytest.mark.parametrize(
    "stored",
    [Stored("float64", 0), Stored("float32", 0), Stored("float32", PAIRS), Stored("float32", 1)],
    ids=["float64", "float32", "parts", "bfloat16"],
)


def partial_sums(array, values, count, dtype, rng, room=4):
    """`values` as `count` partial sums; arrays of them are `room` values longer. Returns the array and its stride."""
    values = np.asarray(values, dtype="float64")
    terms = rng.normal(size=(count - 1, *values.shape))
    whole = np.full((count, values.size + room), np.nan)
    whole[:, : values.size] = np.concatenate([terms, [values - terms.sum(axis=0)]]).reshape(count, -1)
    return array(whole, dtype), np.int64(values.size + room), np.int32(count)
