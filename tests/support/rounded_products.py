"""Products of rounded factors, so that the reference computes what a program of lower precision should."""

import numpy as np

BITS = {"bfloat16": 7, "tf32": 10, "float32": 23}  # after the leading one


def rounded(values, precision):
    """float32 values to the nearest that `precision` has, ties to even; NaN and infinity must not be among them."""
    assert values.dtype == np.float32
    dropped = BITS["float32"] - BITS[precision]
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    bits += (1 << dropped >> 1) - 1 + (bits >> dropped & 1) if dropped else 0
    return (bits >> dropped << dropped).astype(np.uint32).view(np.float32)


class RoundedProducts(np.ndarray):
    """An array whose products round their factors, but those with `exact_units` rows or columns."""

    precision = "float32"
    exact_units = 0

    def __matmul__(self, other):
        a, b = np.asarray(self), np.asarray(other)
        if self.exact_units not in (*a.shape, *b.shape):
            a, b = rounded(a, self.precision), rounded(b, self.precision)
        return (a @ b).view(type(self))


def rounding(precision, exact_units=0):
    """A class of arrays with `precision`."""
    return type("Rounding", (RoundedProducts,), {"precision": precision, "exact_units": exact_units})
