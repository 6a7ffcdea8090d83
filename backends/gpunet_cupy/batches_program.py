"""Large batches on a GPU: few kernels a step, no transfer and no waiting in between.

Products go to cuBLAS, everything between them to the kernels of this package; all buffers are made once. Each
kernel reads the step's number from the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_cupy.coverage import unsupported_reason
from gpunet_cupy.flat import Flat
from gpunet_cupy.kernels import THREADS, Macro, device_called, launch, module, rule
from gpunet_cupy.rows import Gather, Rows

PIECE = 65536  # examples of a batch that are worked on at a time
SMALLEST = 256  # a piece is not halved below this where memory is short
PARTS = 132  # partial sums of a gradient: about a thread block for each multiprocessor of a large GPU
WARP = 32
OUTPUTS, COLUMNS = (
    32,
    80,
)  # of the network; and weights of the last layer that a thread keeps, where one pass does it


class Batches(Program):
    """A program for any batch size and optimizer.

    Parameters
    ----------
    plan : Plan
    device : str
    """

    name = "cupy batches"

    def __init__(self, plan: Plan, device: str = "cuda:0") -> None:
        super().__init__(plan, device)
        self.flat = Flat(plan)
        self.piece = min(plan.batch_size, plan.examples, PIECE)
        self.parts = min(PARTS, self.piece)
        self.buffers: tuple[Any, ...] | None = None
        names = [name.upper() for name in plan.activations]
        last = plan.layers[-1].units
        self.head = self._head(names)
        self.hidden = [
            module(plan.dtype, "hidden", N=layer.units, G=name)
            for layer, name in zip(plan.layers, [*names[:-1], "IDENTITY"], strict=True)
        ]
        self.forward = [one.get_function("forward") for one in self.hidden]
        self.backward = [one.get_function("backward") for one in self.hidden]
        output = module(plan.dtype, "output", N=last, G=names[-1], LOSS=plan.loss.upper())
        self.output = output.get_function("output")
        late = last * plan.layers[-1].inputs if self.head else 0
        sizes = {"WEIGHTS": self.flat.weights, "BIASES": self.flat.biases, "LATE": late}
        end = module(plan.dtype, "rule", "update", **rule(plan.optimizer), **sizes)
        self.update, self.finish = end.get_function("update"), end.get_function("finish")
        self.gather = Gather(plan.dtype, plan.layers[0].inputs, plan.batch_size)

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cuda:0") -> str | None:
        """Why `plan` is not for this program."""
        return unsupported_reason(plan)

    def _head(self, names: list[str]) -> Any:
        """The kernel that does the last layer in one pass; None where its weights do not fit into registers."""
        below, outputs = self.plan.layers[-1].inputs, self.plan.layers[-1].units
        teams = [team for team in (WARP, THREADS) if -(-below // team) * outputs <= COLUMNS]
        if len(names) == 1 or outputs > OUTPUTS or not teams:
            return None
        layer: dict[str, Macro] = {"N": below, "OUTPUTS": outputs, "BELOW": names[-2], "TOP": names[-1]}
        given: dict[str, Macro] = {"LOSS": self.plan.loss.upper(), "THREADS": THREADS, "TEAM": teams[0]}
        made = module(self.plan.dtype, "lanes", "head", "batch_head", **layer, **given)
        return made.get_function("head")

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        import cupy

        whole = inputs.examples == inputs.X.shape[1] <= self.plan.batch_size
        with device_called(self.device):
            rows = Rows(inputs._replace(order=None) if whole else inputs)  # a sum over all has no order
            self._reserve(gathers=rows.order is not None)
            theta, slots = self.flat.pack(*state)
            batches = self.plan.batches(rows.used)
            losses = cupy.empty(len(batches), dtype=self.plan.dtype)
            step = cupy.zeros(1, dtype=np.int32)
            coefficients = cupy.ascontiguousarray(inputs.coefficients)
            for first, last in batches:
                self._step(theta, slots, rows, first, last - first, coefficients, step, losses)
        return TrainState(*self.flat.unpack(theta, slots)), losses

    def _reserve(self, gathers: bool) -> None:
        """Make the buffers; where memory is short, for smaller pieces of a batch."""
        if self.buffers is not None and self.buffers[0].size >= gathers:
            return
        self.buffers = None
        while self.buffers is None:
            try:
                self.buffers = self._allocate(gathers)
            except MemoryError:
                if self.piece <= SMALLEST:
                    raise
                self.piece = max(self.piece // 2, SMALLEST)

    def _allocate(self, gathers: bool) -> tuple[Any, ...]:
        import cupy

        def empty(*shape: int) -> Any:
            return cupy.empty(shape, dtype=self.plan.dtype)

        n, piece = self.flat.sizes, self.piece
        return (
            empty(piece if gathers else 0, n[0]),
            [empty(piece, k) for k in n[1:]],  # A[l]; for the last layer Z, then δ
            [empty(piece, k) for k in n[1:-1]],  # δ[l]
            empty(self.flat.weights),  # gradient
            empty(self.parts, n[-1] * n[-2]),  # partial sums of the last layer's
            empty(self.parts, self.flat.biases),  # partial sums of the biases' gradients
            empty(max(self.plan.batch_size, self.parts)),  # losses of a batch's examples, or their sums
        )

    def _step(
        self, theta: Any, slots: Any, rows: Rows, at: int, count: int, coefficients: Any, step: Any, J: Any
    ) -> None:
        """One update, from `count` examples from position `at` on."""
        assert self.buffers is not None
        gathered, *work, gradient, late, sums, losses = self.buffers
        W = self.flat.matrices(theta)
        for first in range(0, count, self.piece):
            m = min(self.piece, count - first)
            x = self.gather(rows, step, at, first, m, gathered)
            self._piece(W, theta, x, rows, first, m, count, step, (*work, gradient, late, sums, losses))
        parts = np.int32(self.parts)
        launch(self.update, self.flat.size, theta, slots, gradient, late, sums, parts, coefficients, step)
        sums_of_losses = np.int32(self.parts if self.head else count)
        self.finish(
            (1,), (THREADS,), (losses, sums_of_losses, np.int32(count), J, step), shared_mem=8 * THREADS
        )

    def _piece(
        self, W: Any, theta: Any, x: Any, rows: Rows, first: int, m: int, count: int, step: Any, work: Any
    ) -> None:
        """Forward and backward of m examples; gradients are added to what earlier pieces left."""
        from cupy.cublas import gemm

        activations, deltas, gradient, late, sums, losses = work
        n, at_b, last, more = self.flat.sizes, self.flat.at_b, len(W) - 1, np.int32(first > 0)
        A = [x, *(one[:m] for one in activations)]
        rows_here, parts, stride = np.int32(m), np.int32(self.parts), np.int32(self.flat.biases)
        numbers = (np.int32(self.plan.batch_size), np.int32(first), rows_here, np.int32(count))
        data = (rows.Y, rows.weights, rows.order, step)
        bias_sums = [sums.reshape(-1)[at.start - self.flat.weights :] for at in at_b]
        top = last - 1 if self.head else last  # the layer with whose δ the way back begins
        for l in range(top + 1):
            gemm("N", "T", A[l], W[l], out=A[l + 1])
            if l < top:
                launch(self.forward[l], A[l + 1].size, A[l + 1], theta[at_b[l]], rows_here)
        if self.head:
            layer = (A[last], W[last], theta[at_b[top]], theta[at_b[last]])
            where = (losses, late, bias_sums[top], bias_sums[last], stride, more)
            room = 2 * THREADS * A[last].itemsize
            self.head((self.parts,), (THREADS,), (*layer, *data, *numbers, *where), shared_mem=room)
        else:
            launch(self.output, 32 * m, A[-1], theta[at_b[last]], *data, *numbers, losses)
        dW, delta = self.flat.matrices(gradient), A[top + 1]
        for l in range(top, -1, -1):
            if l < top or not self.head:
                a = delta if l == last else A[l + 1]
                launch(
                    self.backward[l],
                    self.parts * n[l + 1],
                    delta,
                    a,
                    bias_sums[l],
                    rows_here,
                    parts,
                    stride,
                    more,
                )
            gemm("T", "N", delta, A[l], out=dW[l], beta=float(first > 0))
            if l > 0:
                gemm("N", "N", delta, W[l], out=deltas[l - 1][:m])
                delta = deltas[l - 1][:m]
