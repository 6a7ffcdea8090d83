"""Prediction on a GPU: one launch for a few rows, cuBLAS products for many.

Rows on the host go through pinned memory. The kernels are the same for all networks of a dtype: once they are compiled
on a machine, CuPy loads them from its cache.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.devices.backend import HostPredictor
from gpunet_cupy.sources import FOLDER, THREADS, Macro, launch, module
from gpunet_cupy.support import ELEMENTWISE

MAX_LAYERS = 16
FEW = 64  # rows; many more are faster with cuBLAS
ROWS = 4  # that a warp computes at a time in the kernel for a few rows
INPUT_BYTES = 3584  # of rows that come with its launch; all parameters of a kernel have at most 4096 bytes
MAX_OUTPUTS = 4096  # of the network, for that kernel: they are in shared memory
CHUNK = 16384  # rows that are computed at a time with cuBLAS
STAGING = 1 << 20  # bytes of pinned memory for inputs, and as much for outputs
WARP = 32
WARPS = THREADS // WARP  # of a thread block
MAX_SHARED = 48 * 1024  # bytes, for the last layer's weights in the kernel for many rows
ROWS_OF_OUTPUT = 2  # that a warp computes at a time in that kernel
BLOCKS_EACH = 4  # of its thread blocks for each multiprocessor

FEW_ROWS_MACROS: dict[str, Macro] = {
    "MAX_LAYERS": MAX_LAYERS,
    "THREADS": THREADS,
    "ROWS": ROWS,
    "INPUT_BYTES": INPUT_BYTES,
}
# The parameters of kernels/predict/few_rows.cu
NETWORK = np.dtype(
    [
        ("W", np.uintp, MAX_LAYERS),
        ("b", np.uintp, MAX_LAYERS),
        ("sizes", np.int32, MAX_LAYERS + 1),
        ("activations", np.int32, MAX_LAYERS),
        ("layers", np.int32),
        ("stride", np.int32),
    ],
    align=True,
)
PARAMETERS = np.dtype(
    [
        ("network", NETWORK),
        ("inputs", np.uint8, INPUT_BYTES),
        ("X", np.uintp),
        ("m", np.int32),
        ("workspace", np.uintp),
        ("out", np.uintp),
        ("not_finite", np.uintp),
        ("counters", np.uintp),
        ("turn", np.int32),
    ],
    align=True,
)


def supports(activations: Sequence[Any], parameters: Sequence[tuple[Any, Any]]) -> bool:
    """Whether the kernels have all activations, and there are not too many layers."""
    *hidden, last = activations
    return (
        all(name in ELEMENTWISE for name in hidden)
        and (last in ELEMENTWISE or last == "softmax")
        and len(parameters) <= MAX_LAYERS
    )


def activation_numbers() -> dict[str, int]:
    """Each activation's number in the kernels, by its name."""
    text = (FOLDER / "common" / "activations.cuh").read_text(encoding="utf-8")
    return {name.lower(): int(number) for name, number in re.findall(r"#define (\w+) (\d+)", text)}


class Predictor(HostPredictor):
    """``A[L]`` of rows, for weights that do not change.

    Parameters
    ----------
    activations : sequence of str
    parameters : sequence of ``(W, b)``
        CuPy arrays of one dtype, on one device.

    """

    def __init__(self, activations: Sequence[str], parameters: Sequence[tuple[Any, Any]]) -> None:
        import cupy

        self.made_of = activations, parameters
        first = parameters[0][0]
        self.device, self.dtype = first.device, first.dtype
        self.sizes = [int(first.shape[1]), *(int(W.shape[0]) for W, _ in parameters)]
        numbers = activation_numbers()
        self.activations = [numbers[name] for name in activations]
        self.softmax = activations[-1] == "softmax"
        self.host_rows = STAGING // (max(self.sizes[0], self.sizes[-1]) * self.dtype.itemsize)
        self.row_bytes = self.sizes[0] * self.dtype.itemsize
        with self.device:  # for which the kernels are compiled, too
            self.parameters = [
                (cupy.ascontiguousarray(W), cupy.ascontiguousarray(b.reshape(-1))) for W, b in parameters
            ]
            self.few = FewRows(self)
            self.many = ManyRows(self)
        self.staging: Staging | None = None
        self.lock = threading.Lock()  # callers may be threads of a server, and have the buffers in common

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Predictor, self.made_of

    def __call__(self, rows: Any) -> Any | None:
        """Rows ``(m, n[L])`` for rows ``(m, n[0])`` on the device; None where those are not finite."""
        import cupy

        with self.lock, self.device:
            rows = cupy.ascontiguousarray(rows)
            A = cupy.empty((rows.shape[0], self.sizes[-1]), dtype=self.dtype)
            staging = self._staging()
            staging.not_finite[0] = 0
            if self._are_few(rows.shape[0]):
                self.few(rows.data.ptr, rows.shape[0], A.data.ptr, staging.not_finite_pointer)
            else:
                self.many(rows, A, staging.not_finite_pointer)
            cupy.cuda.get_current_stream().synchronize()
            return None if staging.not_finite[0] else A

    def from_host(self, rows: Any) -> Any | None:
        """The same for NumPy arrays, with at most `host_rows` rows."""
        import cupy

        m, runtime = rows.shape[0], cupy.cuda.runtime
        with self.lock, self.device:
            staging, stream = self._staging(), cupy.cuda.get_current_stream()
            staging.not_finite[0] = 0
            outputs = staging.outputs[:m]
            few = self._are_few(m)
            by_value = few and m < len(self.few.inputs)
            if by_value:
                self.few.inputs[m][...] = rows
            else:
                staging.inputs[:m] = rows
                size, to_device = m * self.row_bytes, runtime.memcpyHostToDevice
                runtime.memcpyAsync(
                    staging.on_device_pointer, staging.inputs_pointer, size, to_device, stream.ptr
                )
            if few:  # the kernel writes to the host's memory itself
                X = 0 if by_value else staging.on_device_pointer
                self.few(X, m, staging.outputs_pointer, staging.not_finite_pointer)
            else:
                A = cupy.empty(outputs.shape, dtype=self.dtype)
                self.many(staging.on_device[:m], A, staging.not_finite_pointer)
                runtime.memcpyAsync(
                    staging.outputs_pointer,
                    A.data.ptr,
                    outputs.nbytes,
                    runtime.memcpyDeviceToHost,
                    stream.ptr,
                )
            stream.synchronize()
            return None if staging.not_finite[0] else outputs.copy()

    def _are_few(self, m: int) -> bool:
        """Whether so many rows are done in one launch."""
        return m <= FEW and self.sizes[-1] <= MAX_OUTPUTS

    def _staging(self) -> Staging:
        if self.staging is None:
            self.staging = Staging(max(self.host_rows, 1), self.sizes, self.dtype)
        return self.staging


class Staging:
    """Pinned memory of the host, which kernels can write to, and inputs on the device.

    Parameters
    ----------
    rows : int
        How many there is room for.
    sizes : list of int
        ``n[0] … n[L]``.
    dtype : dtype
    """

    def __init__(self, rows: int, sizes: list[int], dtype: Any) -> None:
        import cupy

        def pinned(shape: tuple[int, ...], dtype: Any) -> tuple[Any, int]:
            count = int(np.prod(shape))
            memory = cupy.cuda.alloc_pinned_memory(max(count, 1) * np.dtype(dtype).itemsize)
            return np.frombuffer(memory, dtype, count).reshape(shape), memory.ptr

        self.inputs, self.inputs_pointer = pinned((rows, sizes[0]), dtype)
        self.outputs, self.outputs_pointer = pinned((rows, sizes[-1]), dtype)
        self.not_finite, self.not_finite_pointer = pinned((1,), np.int32)
        self.on_device = cupy.empty((rows, sizes[0]), dtype=dtype)
        self.on_device_pointer = self.on_device.data.ptr


class FewRows:
    """The whole network in one cooperative launch, for up to `FEW` rows."""

    def __init__(self, predictor: Predictor) -> None:
        import cupy

        sizes, layers = predictor.sizes, len(predictor.parameters)
        widest = max(sizes[1:-1], default=0)
        stride = -(-widest // 4) * 4  # values of the hidden layers are loaded four at a time
        self.workspace = cupy.empty(2 * FEW * stride, dtype=predictor.dtype)
        self.counters = cupy.zeros(2, dtype=np.uint32)
        # The kernel's parameters: it gets their addresses, so that a call sets only those that change.
        self.values = values = np.zeros(1, PARAMETERS)
        network = values["network"]
        network["W"][0, :layers] = [W.data.ptr for W, _ in predictor.parameters]
        network["b"][0, :layers] = [b.data.ptr for _, b in predictor.parameters]
        network["sizes"][0, : layers + 1] = sizes
        network["activations"][0, :layers] = predictor.activations
        network["layers"], network["stride"] = layers, stride
        values["workspace"], values["counters"] = self.workspace.data.ptr, self.counters.data.ptr
        pointer = cupy.cuda.function.CPointer
        self.arguments = tuple(pointer(values[name].ctypes.data) for name in PARAMETERS.names or ())
        self.changing = [values[name] for name in ("X", "m", "out", "not_finite", "turn")]
        room = values["inputs"].view(predictor.dtype).reshape(-1)
        count = min(INPUT_BYTES // predictor.row_bytes, FEW)
        self.inputs = [room[: m * sizes[0]].reshape(m, sizes[0]) for m in range(count + 1)]

        self.shared_bytes = sizes[-1] * predictor.dtype.itemsize
        most = predictor.device.attributes["MultiProcessorCount"]
        self.grids = [(min(most, max(m, _warps(m, widest) // WARPS)),) for m in range(FEW + 1)]
        self.module = module(predictor.dtype.name, "predict/few_rows.cu", **FEW_ROWS_MACROS)
        self.kernel: Any = None

    def __call__(self, rows: int, m: int, out: int, not_finite: int) -> None:
        """Queue the launch for `m` rows; `rows`, `out` and `not_finite` are addresses.

        Where `rows` is 0, they are in ``inputs[m]``.
        """
        if self.kernel is None:
            self.kernel = self.module.get_function("few_rows").kernel
        X, count, to, flag, turn = self.changing
        X[0], count[0], to[0], flag[0] = rows, m, out, not_finite
        self.kernel(self.grids[m], (THREADS,), self.arguments, self.shared_bytes, None, True)
        turn[0] = 1 - turn[0]


def _warps(m: int, units: int) -> int:
    """How many warps compute a layer, each one unit, rounded up to whole thread blocks."""
    groups = m if m <= 1 else -(-m // ROWS)
    return -(-units * groups // WARPS) * WARPS


class ManyRows:
    """A cuBLAS product and a kernel for each layer, a chunk of rows at a time.

    Where there are few outputs, one kernel does all that follows the product of the last hidden layer.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.parameters, self.activations = predictor.parameters, predictor.activations
        self.is_softmax, self.dtype = predictor.softmax, predictor.dtype
        dtype, (below, outputs) = predictor.dtype, predictor.sizes[-2:]
        self.module = module(dtype.name, "predict/many_rows.cu")
        self.activate, self.softmax = map(self.module.get_function, ("activate_rows", "softmax_rows"))
        self.shared_bytes = power_of_two(outputs) * below * dtype.itemsize
        self.output: Any = None
        if len(self.parameters) > 1 and outputs <= WARP and self.shared_bytes <= MAX_SHARED:
            macros = {"OUTPUTS": outputs, "THREADS": THREADS, "ROWS": ROWS_OF_OUTPUT}
            self.output = module(dtype.name, "predict/output_rows.cu", **macros).get_function("output_rows")
        self.most = predictor.device.attributes["MultiProcessorCount"] * BLOCKS_EACH
        self.chunk = max(min(CHUNK, (1 << 30) // max(predictor.sizes[1:])), 1)  # numbers of values are int32

    def __call__(self, rows: Any, A: Any, not_finite: int) -> None:
        """Queue the forward pass of rows on the device into `A`; `not_finite` is an address."""
        for first in range(0, rows.shape[0], self.chunk):
            self._chunk(rows[first : first + self.chunk], A[first : first + self.chunk], not_finite)

    def _chunk(self, X: Any, A: Any, not_finite: int) -> None:
        import cupy
        from cupy.cublas import gemm

        m, last = np.int32(X.shape[0]), len(self.parameters) - 1
        for l, (W, b) in enumerate(self.parameters):
            Z = A if l == last else cupy.empty((X.shape[0], W.shape[0]), dtype=self.dtype)
            gemm("N", "T", X, W, out=Z)
            flag = not_finite if l == 0 else None
            if l == last - 1 and self.output is not None:
                self._output(Z, m, A, flag)
                return
            units, g = np.int32(W.shape[0]), np.int32(self.activations[l])
            if l == last and self.is_softmax:
                launch(self.softmax, WARP * X.shape[0], Z, b, units, m, flag)
            else:
                launch(self.activate, Z.size, Z, b, units, np.int32(Z.size), g, flag)
            X = Z

    def _output(self, Z: Any, m: Any, A: Any, flag: int | None) -> None:
        """Queue the kernel of the last layer, after the product Z of the one below."""
        below, g = map(np.int32, self.activations[-2:])
        (_, bias_below), (W, b) = self.parameters[-2:]
        blocks = min(self.most, -(-int(m) // (ROWS_OF_OUTPUT * WARPS)))
        arguments = (Z, bias_below, below, np.int32(Z.shape[1]), W, b, g, m, A, flag)
        self.output((blocks,), (THREADS,), arguments, shared_mem=self.shared_bytes)


def power_of_two(n: int) -> int:
    """The smallest that is at least `n`."""
    return 1 << (n - 1).bit_length()
