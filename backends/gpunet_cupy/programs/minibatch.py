"""Mini-batches of any size: a few kernels per step, without a transfer or a wait in between.

Matrix products are done by cuBLAS, everything between them by the kernels in ``kernels/batches``. Buffers are
allocated once. Each kernel reads the step's number from the device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_cupy.data import EpochData, Gather
from gpunet_cupy.layout import ParameterLayout
from gpunet_cupy.sources import THREADS, device_context, launch, module
from gpunet_cupy.support import unsupported_reason, update_macros

MAX_CHUNK = 65536  # examples of a batch that are computed at a time
MIN_CHUNK = 256  # examples; where memory is short, chunks are halved, but not below this
MAX_PARTIALS = 132  # partial sums of a gradient: about a thread block for each multiprocessor of a large GPU
WARP = 32
MAX_OUTPUTS = 32  # of the network, for the kernel that computes the last layer in one pass
MAX_REGISTERS = 80  # for the last layer's weights, in each thread of that kernel


class Buffers(NamedTuple):
    """Arrays for a chunk of a batch and its gradient."""

    gathered: Any  # X
    activations: list[Any]  # A[l]; for the last layer Z, then δ
    deltas: list[Any]  # δ[l] of the hidden layers
    gradient: Any  # of all weights
    sums_W: Any  # partial sums of the gradient of the last layer's weights
    sums_b: Any  # partial sums of the gradients of all biases
    losses: Any  # of a batch's examples, or partial sums of them


class MiniBatch(Program):
    """A program for any batch size and optimizer.

    Parameters
    ----------
    plan : Plan
    device : str

    Attributes
    ----------
    chunk : int
        Examples of a batch that are computed at a time.
    """

    name = "cupy mini-batch"

    def __init__(self, plan: Plan, device: str = "cuda:0") -> None:
        super().__init__(plan, device)
        self.layout = ParameterLayout(plan)
        self.chunk = min(plan.batch_size, plan.examples, MAX_CHUNK)
        self.partials = min(MAX_PARTIALS, self.chunk)
        self.buffers: Buffers | None = None
        names = [str(name).upper() for name in plan.activations]
        last = plan.layers[-1]
        self.output_layer = self._output_layer(names)
        hidden = [
            module(plan.dtype, "batches/hidden_layer.cu", UNITS=layer.units, ACTIVATION=name)
            for layer, name in zip(plan.layers, [*names[:-1], "IDENTITY"], strict=True)
        ]
        self.forward = [one.get_function("forward") for one in hidden]
        self.backward = [one.get_function("backward") for one in hidden]
        self.output_delta = module(
            plan.dtype,
            "batches/output_delta.cu",
            UNITS=last.units,
            ACTIVATION=names[-1],
            LOSS=str(plan.loss).upper(),
        ).get_function("output_delta")
        end = module(
            plan.dtype,
            "batches/update.cu",
            **update_macros(plan.optimizer),
            WEIGHTS=self.layout.weights,
            BIASES=self.layout.biases,
            OUTPUT_WEIGHTS=last.units * last.inputs if self.output_layer else 0,
        )
        self.update, self.finish_step = end.get_function("update"), end.get_function("finish_step")
        self.gather = Gather(plan.dtype, plan.layers[0].inputs, plan.batch_size)

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cuda:0") -> str | None:
        """Why it can't run `plan` on `device`."""
        return unsupported_reason(plan)

    def _output_layer(self, names: list[str]) -> Any:
        """The kernel for the last layer in one pass; None where its weights do not fit into registers."""
        below, outputs = self.plan.layers[-1].inputs, self.plan.layers[-1].units
        groups = [group for group in (WARP, THREADS) if -(-below // group) * outputs <= MAX_REGISTERS]
        if len(names) == 1 or outputs > MAX_OUTPUTS or not groups:
            return None
        return module(
            self.plan.dtype,
            "batches/output_layer.cu",
            UNITS_BELOW=below,
            ACTIVATION_BELOW=names[-2],
            OUTPUTS=outputs,
            ACTIVATION=names[-1],
            LOSS=str(self.plan.loss).upper(),
            THREADS=THREADS,
            GROUP=groups[0],
        ).get_function("output_layer")

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        import cupy

        if inputs.examples == inputs.X.shape[1] <= self.plan.batch_size:
            inputs = inputs._replace(order=None)  # a sum over all examples does not depend on their order
        with device_context(self.device):
            data = EpochData(inputs)
            buffers = self._reserve(gathers=data.order is not None)
            theta, slots = self.layout.pack(state)
            batches = self.plan.batches(data.examples)
            losses = cupy.empty(len(batches), dtype=self.plan.dtype)
            step = cupy.zeros(1, dtype=np.int32)
            for first, last in batches:
                count = last - first
                self._gradient(buffers, theta, data, first, count, step)
                launch(
                    self.update,
                    self.layout.size,
                    theta,
                    slots,
                    buffers.gradient,
                    buffers.sums_W,
                    buffers.sums_b,
                    np.int32(self.partials),
                    data.coefficients,
                    step,
                )
                sums_of_losses = np.int32(self.partials if self.output_layer else count)
                finished = (buffers.losses, sums_of_losses, np.int32(count), losses, step)
                self.finish_step((1,), (THREADS,), finished, shared_mem=8 * THREADS)
        return self.layout.unpack(theta, slots), losses

    def _reserve(self, gathers: bool) -> Buffers:
        """The buffers; where memory is short, for smaller chunks of a batch."""
        if self.buffers is not None and len(self.buffers.gathered) >= gathers:
            return self.buffers
        self.buffers = None
        while self.buffers is None:
            try:
                self.buffers = self._allocate(gathers)
            except MemoryError:
                if self.chunk <= MIN_CHUNK:
                    raise
                self.chunk = max(self.chunk // 2, MIN_CHUNK)
        return self.buffers

    def _allocate(self, gathers: bool) -> Buffers:
        import cupy

        def empty(*shape: int) -> Any:
            return cupy.empty(shape, dtype=self.plan.dtype)

        n, chunk = self.layout.sizes, self.chunk
        return Buffers(
            gathered=empty(chunk if gathers else 0, n[0]),
            activations=[empty(chunk, k) for k in n[1:]],
            deltas=[empty(chunk, k) for k in n[1:-1]],
            gradient=empty(self.layout.weights),
            sums_W=empty(self.partials, n[-1] * n[-2]),
            sums_b=empty(self.partials, self.layout.biases),
            losses=empty(max(self.plan.batch_size, self.partials)),
        )

    def _gradient(
        self, buffers: Buffers, theta: Any, data: EpochData, position: int, count: int, step: Any
    ) -> None:
        """Gradient and losses of the step with `count` examples from `position` on, chunk by chunk."""
        W = self.layout.matrices(theta)
        for first in range(0, count, self.chunk):
            m = min(self.chunk, count - first)
            x = self.gather(data, step, position, first, m, buffers.gathered)
            A = [x, *(one[:m] for one in buffers.activations)]
            delta = self._forward(buffers, W, theta, A, data, first, count, step)
            self._backward(buffers, W, A, delta, accumulate=first > 0)

    def _forward(
        self,
        buffers: Buffers,
        W: list[Any],
        theta: Any,
        A: list[Any],
        data: EpochData,
        first: int,
        count: int,
        step: Any,
    ) -> Any:
        """Forward pass of a chunk and its losses.

        Returns
        -------
        array, ``(m, n[l])``
            δ of the last layer; of the layer below where one kernel computes the last layer and its gradient.
        """
        from cupy.cublas import gemm

        m, at_b, last = len(A[0]), self.layout.at_b, len(W) - 1
        top = last - 1 if self.output_layer else last
        for l in range(top + 1):
            gemm("N", "T", A[l], W[l], out=A[l + 1])
            if l < top:
                launch(self.forward[l], A[l + 1].size, A[l + 1], theta[at_b[l]], np.int32(m))
        examples = (data.Y, data.weights, data.order, step)
        sizes = (np.int32(self.plan.batch_size), np.int32(first), np.int32(m), np.int32(count))
        if self.output_layer:
            layer = (A[last], W[last], theta[at_b[last - 1]], theta[at_b[last]])
            sums = (buffers.losses, buffers.sums_W, self._bias_sums(buffers, last - 1))
            more_sums = (
                self._bias_sums(buffers, last),
                np.int32(self.layout.biases),
                np.int32(first > 0),
            )
            self.output_layer(
                (self.partials,),
                (THREADS,),
                (*layer, *examples, *sizes, *sums, *more_sums),
                shared_mem=2 * THREADS * A[last].itemsize,
            )
        else:
            launch(
                self.output_delta,
                WARP * m,
                A[-1],
                theta[at_b[last]],
                *examples,
                *sizes,
                buffers.losses,
            )
        return A[top + 1]

    def _backward(self, buffers: Buffers, W: list[Any], A: list[Any], delta: Any, accumulate: bool) -> None:
        """Backward pass of a chunk, from δ of the layer where `_forward` ended."""
        from cupy.cublas import gemm

        n, last, m = self.layout.sizes, len(W) - 1, len(A[0])
        top = last - 1 if self.output_layer else last
        dW = self.layout.matrices(buffers.gradient)
        for l in range(top, -1, -1):
            if l < top or not self.output_layer:  # else the kernel of the last layer has done this
                launch(
                    self.backward[l],
                    self.partials * n[l + 1],
                    delta,
                    delta if l == last else A[l + 1],
                    self._bias_sums(buffers, l),
                    np.int32(m),
                    np.int32(self.partials),
                    np.int32(self.layout.biases),
                    np.int32(accumulate),
                )
            gemm("T", "N", delta, A[l], out=dW[l], beta=float(accumulate))
            if l > 0:
                gemm("N", "N", delta, W[l], out=buffers.deltas[l - 1][:m])
                delta = buffers.deltas[l - 1][:m]

    def _bias_sums(self, buffers: Buffers, l: int) -> Any:
        """Partial sums of the gradient of ``b[l + 1]``: its first row. Rows are `biases` values apart."""
        return buffers.sums_b.reshape(-1)[self.layout.at_b[l].start - self.layout.weights :]
