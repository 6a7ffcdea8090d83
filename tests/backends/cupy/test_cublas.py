"""The arguments of cuBLAS's products: a stand-in reads them as cuBLAS does, by columns."""

import ctypes
import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fake_cupy
import gpunet as gn
from gpunet_cupy import cublas
from gpunet_cupy.cublas import Matrix

TYPES = {0: np.float32, 1: np.float64, 14: np.uint16}  # cudaDataType; bfloat16 as its bits
OPERATIONS = ("NN", "NT", "TN")
STRIDES = {"NN": (5, 4, 4), "NT": (5, 5, 4), "TN": (3, 4, 4)}  # rows of a, b and out for m, n, k = 3, 4, 5


class Library:
    """cuBLAS, of which every call is kept."""

    def __init__(self):
        self.status, self.calls = 0, []

    def cublasSetStream_v2(self, handle, stream):
        self.calls.append(("stream", handle.value, stream.value))
        return self.status

    def cublasSetWorkspace_v2(self, handle, workspace, size):
        self.calls.append(("workspace", handle.value, workspace.value, size.value))
        return self.status

    def cublasGemmStridedBatchedEx(
        self, handle, transa, transb, m, n, k, alpha, a, a_type, lda, a_stride, b, b_type, ldb, b_stride,
        beta, c, c_type, ldc, c_stride, batch, compute, algorithm
    ):  # fmt: skip
        m, n, k = m.value, n.value, k.value
        self.calls.append(("product", compute.value, algorithm.value))
        if self.status:
            return self.status
        one = ctypes.c_double if c_type.value == 1 else ctypes.c_float
        assert type(alpha._obj) is type(beta._obj) is one and alpha._obj.value == 1

        def columns(transposed, rows, columns, pointer, kind, ld, stride, number):
            """A view of op(matrix), whose columns are `ld` values apart."""
            stored = (columns, rows) if transposed else (rows, columns)
            assert ld.value >= stored[0]
            dtype = np.dtype(TYPES[kind.value])
            size = (stored[1] - 1) * ld.value + stored[0]
            at = pointer.value + number * stride.value * dtype.itemsize
            values = np.frombuffer((ctypes.c_char * (size * dtype.itemsize)).from_address(at), dtype)
            found = np.lib.stride_tricks.as_strided(
                values, stored, (dtype.itemsize, ld.value * dtype.itemsize)
            )
            return found.T if transposed else found

        def number_of(values):
            return (values.astype(np.uint32) << 16).view(np.float32) if values.dtype == np.uint16 else values

        for i in range(batch.value):
            x = number_of(columns(transa.value, m, k, a, a_type, lda, a_stride, i))
            y = number_of(columns(transb.value, k, n, b, b_type, ldb, b_stride, i))
            target = columns(0, m, n, c, c_type, ldc, c_stride, i)
            target[...] = x @ y + beta._obj.value * target
        return 0


@pytest.fixture
def library(monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    monkeypatch.setattr(cupy.cuda, "device", SimpleNamespace(get_cublas_handle=lambda: 77), raising=False)
    library = Library()
    monkeypatch.setattr(cublas, "library", lambda: library)
    return library


def arrays(rng, dtype, batch):
    """The factors and the product of `batch` matrices, of which each has more room than it needs."""
    made = []
    for kind in (dtype, dtype, "float64" if dtype == "float64" else "float32"):
        values = rng.standard_normal(batch * 50).astype("float32" if dtype == "bfloat16" else kind)
        made.append((values.view(np.uint32) >> 16).astype(np.uint16) if kind == "bfloat16" else values)
    return [fake_cupy.to_device(one) for one in made]


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_product_is_that_of_the_stand_in(dtype, operation, accumulate, library, rng):
    for batch, more in itertools.product((1, 3), (0, 2)):
        a, b, out = arrays(rng, dtype, batch)
        expected = fake_cupy.to_device(out)
        strides = [stride + more for stride in STRIDES[operation]]
        for make, target in ((cublas.product, out), (fake_cupy.product, expected)):
            matrices = [
                Matrix(one, stride, 50)
                for one, stride in zip((target, a, b), (strides[2], *strides[:2]), strict=True)
            ]
            run = make(operation, *matrices, (3, 4, 5), batch=batch, dtype=dtype, accumulate=accumulate)
            run(ctypes.c_void_p(77))
        np.testing.assert_allclose(np.array(out), np.array(expected), rtol=1e-5, atol=1e-6)
    compute = {"float32": 68, "float64": 70, "bfloat16": 68}[dtype]  # cublasComputeType_t
    assert library.calls == [("product", compute, -1)] * 4


def test_tf32(library, rng):
    a, b, out = arrays(rng, "float32", 1)
    run = cublas.product(
        "NN", Matrix(out, 4), Matrix(a, 5), Matrix(b, 4), (3, 4, 5), dtype="float32", compute="tf32"
    )
    run(ctypes.c_void_p(77))
    assert library.calls == [("product", 77, -1)]


def test_the_handle_is_bound_to_stream_and_workspace_in_this_order(library):
    """The stream resets the workspace."""
    stream = fake_cupy.Stream(non_blocking=True)
    workspace = fake_cupy.to_device(np.zeros(8, np.uint8))
    with stream:
        assert cublas.bind(workspace).value == 77
    assert library.calls == [("stream", 77, stream.ptr), ("workspace", 77, workspace.data.ptr, 8)]


@pytest.mark.parametrize(("status", "out_of_memory"), [(3, True), (13, False)])
def test_errors_have_the_names_of_their_status(status, out_of_memory, library, rng):
    backend = gn.devices.registry.load_backend("cupy")
    library.status = status
    a, b, out = arrays(rng, "float32", 1)
    run = cublas.product("NN", Matrix(out, 4), Matrix(a, 5), Matrix(b, 4), (3, 4, 5), dtype="float32")
    for call in (lambda: cublas.bind(a), lambda: run(ctypes.c_void_p(77))):
        with pytest.raises(sys.modules["cupy"].cuda.cublas.CUBLASError, match="CUBLAS_STATUS_") as raised:
            call()
        assert backend.out_of_memory(raised.value) == out_of_memory
