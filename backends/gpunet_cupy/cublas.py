"""Matrix products by cuBLAS that may be captured in a CUDA graph.

CuPy's own products refuse to run while a stream is captured. These call the same library, through ctypes, with the
handle that CuPy has for the thread and the device.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

# cudaDataType and cublasComputeType_t
TYPES = {"float32": 0, "float64": 1, "bfloat16": 14}
COMPUTE = {"float32": 68, "float64": 70, "bfloat16": 68, "tf32": 77}
DEFAULT_ALGORITHM = -1
WORKSPACE = 32 << 20  # bytes: what NVIDIA recommends for this generation


class Matrix(NamedTuple):
    """Matrices in an array, row by row.

    Attributes
    ----------
    array : array
        It starts with the first matrix. bfloat16 is in uint16.
    row_stride : int
        Values from one row to the next.
    batch_stride : int
        Values from one matrix to the next.
    """

    array: Any
    row_stride: int
    batch_stride: int = 0


@functools.cache
def library() -> Any:
    """The cuBLAS that CuPy uses."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)


def bind(workspace: Any) -> ctypes.c_void_p:
    """The thread's handle, on CuPy's current stream, with `workspace` (which a captured graph goes on using)."""
    import cupy

    handle = ctypes.c_void_p(cupy.cuda.device.get_cublas_handle())
    stream = ctypes.c_void_p(cupy.cuda.get_current_stream().ptr)
    _check(library().cublasSetStream_v2(handle, stream))  # it resets the workspace
    pointer, size = ctypes.c_void_p(workspace.data.ptr), ctypes.c_size_t(workspace.nbytes)
    _check(library().cublasSetWorkspace_v2(handle, pointer, size))
    return handle


def product(
    operation: str,
    out: Matrix,
    a: Matrix,
    b: Matrix,
    shape: tuple[int, int, int],
    *,
    batch: int = 1,
    dtype: str,
    compute: str | None = None,
    accumulate: bool = False,
) -> Callable[[ctypes.c_void_p], None]:
    """A function that starts ``out ← op(a) op(b)`` for `batch` matrices.

    Parameters
    ----------
    operation : {"NN", "NT", "TN"}
        Which factor is transposed: ``a (m, k)`` and ``b (k, n)``, with N; ``b (n, k)`` in "NT", ``a (k, m)`` in "TN".
    out, a, b : Matrix
        `out` has float64 where the factors have, else float32.
    shape : tuple of int
        ``(m, n, k)``.
    batch : int
    dtype : {"float32", "float64", "bfloat16"}
        Of the factors.
    compute : {"tf32"} or None
        How float32 is multiplied; None: as it is.
    accumulate : bool
        Whether the product is added to `out`.

    Returns
    -------
    callable
        It takes the handle that :func:`bind` returns.
    """
    m, n, k = shape
    number = ctypes.c_double if dtype == "float64" else ctypes.c_float
    one, beta = number(1.0), number(float(accumulate))
    # cuBLAS counts by columns: a row-major matrix is its own transpose there. So outᵀ ← op(b)ᵀ op(a)ᵀ.
    arguments = (
        ctypes.c_int(operation == "NT"),
        ctypes.c_int(operation == "TN"),
        *(ctypes.c_int(size) for size in (n, m, k)),
        ctypes.byref(one),
        *_operand(b, TYPES[dtype]),
        *_operand(a, TYPES[dtype]),
        ctypes.byref(beta),
        *_operand(out, TYPES["float64" if dtype == "float64" else "float32"]),
        ctypes.c_int(batch),
        ctypes.c_int(COMPUTE[compute or dtype]),
        ctypes.c_int(DEFAULT_ALGORITHM),
    )
    call = library().cublasGemmStridedBatchedEx

    def run(handle: ctypes.c_void_p) -> None:
        _check(call(handle, *arguments))

    return run


def _operand(matrix: Matrix, kind: int) -> tuple[Any, ...]:
    """A matrix as cuBLAS's arguments."""
    return (
        ctypes.c_void_p(matrix.array.data.ptr),
        ctypes.c_int(kind),
        ctypes.c_int(matrix.row_stride),
        ctypes.c_longlong(matrix.batch_stride),
    )


def _check(status: int) -> None:
    """Raise CuPy's error, whose message is the status's name: so one that means out of memory is known."""
    if status:
        from cupy.cuda import cublas

        raise cublas.CUBLASError(status)
