"""Matrix products, as cuBLAS has them."""

import numpy as np

from cuda_on_cpu import CALLS, CAPTURED
from fake_cupy.arrays import DeviceArray, not_captured, on_current_device
from rounded_products import rounded


def gemm(transa, transb, a, b, out=None, alpha=1.0, beta=0.0):
    """``out ← alpha op(a) op(b) + beta out``; where beta is 0, out is not read."""
    assert all(isinstance(one, DeviceArray) and one.ndim == 2 for one in (a, b, out))
    assert a.dtype == b.dtype == out.dtype
    assert out.flags.c_contiguous and all(one.flags.c_contiguous for one in (a, b))
    assert not any(np.shares_memory(out, one) for one in (a, b))
    for one in (a, b, out):
        on_current_device(one)
    not_captured()
    a = a.T if transa == "T" else a
    b = b.T if transb == "T" else b
    a, b, target = (one.view(np.ndarray) for one in (a, b, out))
    product = alpha * (a @ b)
    target[...] = product + beta * target if beta else product
    CALLS["launch"] += 1
    return out


def bound(_workspace):
    """The place of `gpunet_cupy.cublas.bind`: products on a CPU need no handle."""
    return None


def product(operation, out, a, b, shape, *, batch=1, dtype, compute=None, accumulate=False):
    """The place of `gpunet_cupy.cublas.product`."""
    m, n, k = shape
    shapes = {"NN": ((m, k), (k, n)), "NT": ((m, k), (n, k)), "TN": ((k, m), (k, n))}[operation]

    def matrices(matrix, rows, columns):
        """Views of all of them, which lie within the array."""
        array = matrix.array
        assert isinstance(array, DeviceArray) and array.flags.c_contiguous
        assert matrix.row_stride >= columns and (batch == 1 or matrix.batch_stride > 0)
        last = (batch - 1) * matrix.batch_stride + (rows - 1) * matrix.row_stride + columns
        assert last <= array.size, "the product reads or writes past the end of an array"
        strides = np.array([matrix.batch_stride, matrix.row_stride, 1]) * array.itemsize
        return np.lib.stride_tricks.as_strided(array.view(np.ndarray), (batch, rows, columns), strides)

    def factor(matrix, rows, columns):
        values = matrices(matrix, rows, columns)
        if dtype == "bfloat16":
            assert values.dtype == np.uint16
            return (values.astype(np.uint32) << 16).view(np.float32)
        assert values.dtype == dtype
        return values if compute is None else rounded(values, compute)

    def run(_handle):
        x, y, target = factor(a, *shapes[0]), factor(b, *shapes[1]), matrices(out, m, n)
        assert target.dtype == ("float64" if dtype == "float64" else "float32")
        x = x.transpose(0, 2, 1) if operation == "TN" else x
        y = y.transpose(0, 2, 1) if operation == "NT" else y
        result = x @ y
        target[...] = result + target if accumulate else result

    def launched(handle):
        if CAPTURED:
            CAPTURED[-1].append(lambda: run(handle))
        else:
            CALLS["launch"] += 1
            run(handle)

    return launched


class CUBLASError(RuntimeError):
    """CuPy's."""

    def __init__(self, status):
        super().__init__({3: "CUBLAS_STATUS_ALLOC_FAILED", 13: "CUBLAS_STATUS_EXECUTION_FAILED"}[status])
