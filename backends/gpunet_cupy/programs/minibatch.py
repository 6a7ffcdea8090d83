"""Mini-batches of any size: a few kernels per step, without a transfer or a wait in between.

Matrix products are done by cuBLAS (``products.py``), everything between them by the kernels in ``kernels/batches``.
All arrays are allocated once and stay in place, so that the launches of several steps can be captured in a CUDA
graph, which replays them without work of the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_cupy.batch_kernels import WARP, BatchKernels, output_group, vector
from gpunet_cupy.cublas import WORKSPACE, bind
from gpunet_cupy.data import EpochData
from gpunet_cupy.kept import BYTES, KEPT, bytes_of
from gpunet_cupy.layout import ParameterLayout
from gpunet_cupy.products import Buffers, Products, products_for
from gpunet_cupy.sources import THREADS, device_context, launch
from gpunet_cupy.support import unsupported_reason
from gpunet_cupy.together import epochs_together

MAX_CHUNK = 65536  # examples of a batch that are computed at a time
MIN_CHUNK = 256  # examples; where memory is short, chunks are halved, but not below this
MAX_PARTIALS = 132  # partial sums of a gradient: about a thread block for each multiprocessor of a large GPU
MIN_GRAPH, MAX_GRAPH = 4, 12  # steps of a call that pays for a CUDA graph at once; steps of one graph
LONG_STEP = 2_000_000_000  # multiplications of a step; a GPU takes longer for it than the host to launch it
AT_A_TIME = 8  # as in kernels/batches/output_layer.cu


class Work(NamedTuple):
    """Arrays for a chunk of a batch and its gradient."""

    products: Buffers
    activations: list[Any]  # A[l] of the hidden layers but the last, for g′
    weights: Any  # what products take as W: parts of the weights, or theta
    sums_W: Any  # partial sums of the gradient of the last layer's weights
    sums_b: Any  # partial sums of the gradients of all biases
    losses: Any  # of a batch's examples, or partial sums of them
    squares: Any  # partial sums of the squares of the gradient
    weight_squares: Any  # and of the weights
    workspace: Any  # of cuBLAS


class Epoch(NamedTuple):
    """The state, and what the steps of a call read and write: in one place for all calls."""

    theta: Any
    slots: Any
    order: Any
    coefficients: Any
    keys: Any
    losses: Any
    base: Any  # the step from which kernels count theirs


class Chunk(NamedTuple):
    """Some examples of a step's batch.

    Attributes
    ----------
    offset : int
        The step's number, from ``base`` on.
    order : array or None
    first, m : int
        The first of them in the batch, and how many they are.
    batch : int
        Examples of the batch.
    """

    offset: int
    order: Any
    first: int
    m: int
    batch: int


class PreparedProducts(NamedTuple):
    """The products of a chunk, for each layer that has some."""

    forward: list[Callable[[Any], None]]
    gradient: list[Callable[[Any], None]]
    backward: list[Callable[[Any], None]]  # from the second layer on


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

    takes_integers = True
    name = "cupy mini-batch"
    repeats_full_batch = True

    def __init__(self, plan: Plan, device: str = "cuda:0") -> None:
        super().__init__(plan, device)
        self.epochs_together = epochs_together(plan, device)
        self.layout = ParameterLayout(plan)
        self.long_steps = plan.batch_size * self.layout.weights >= LONG_STEP
        self.top = len(plan.layers) - (output_group(plan) is not None)  # layers with products
        self.data: EpochData | None = None
        self.stands = False  # whether X was read as it stands
        self.stored_X: Any = None
        self.places: tuple[Any, ...] | None = None  # of the data that graphs read
        self.prepared: dict[tuple[int, int, bool], PreparedProducts] = {}
        self.graphs: dict[tuple[int, bool], Any] = {}
        self._set_chunk(min(plan.batch_size, plan.examples, MAX_CHUNK))

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cuda:0") -> str | None:
        """Why it can't run `plan` on `device`."""
        return unsupported_reason(plan)

    def _set_chunk(self, chunk: int) -> None:
        """Everything that depends on the size of a chunk."""
        self.chunk = chunk
        self.partials = min(MAX_PARTIALS, chunk)
        self.products: Products = products_for(self.plan, self.device, self.top, chunk)
        self.kernels = BatchKernels(self.plan, self.products)
        self.loaded: set[tuple[Any, ...]] = set()  # kinds of X for which a full batch's kernels are loaded
        self.work: Work
        self.epoch: Epoch
        self.has_work = False

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        if inputs.examples == inputs.X.shape[1] <= self.plan.batch_size and not self.plan.uses_dropout:
            inputs = inputs._replace(order=None)  # a sum over all examples does not depend on their order
        with device_context(self.device):
            stands = inputs.order is None
            again = self.data is not None and self.data.is_of(inputs) and self.stands == stands
            if self.data is None or not again:
                self.data, self.stands = EpochData(inputs), stands
                self.stored_X = self._stored_X(inputs)
                stored = None if self.stored_X is None else self.stored_X.data.ptr
                places = (*self.data.places, stored)
                if places != self.places:
                    self.places, self.prepared, self.graphs = places, {}, {}
            self._reserve(inputs)
            counts = [last - first for first, last in self.plan.batches(inputs.examples)]
            if inputs.order is None and self.plan.steps == 1:
                counts *= len(inputs.coefficients)
            order = None if inputs.order is None else self.epoch.order
            full = counts.count(self.plan.batch_size)
            # Capturing a step takes longer than to launch it once. Of long ones the host launches the next meanwhile.
            captured = any(without == stands for _, without in self.graphs)
            replays = full >= MIN_GRAPH or (full > 0 and (again or captured))
            replays = replays and self.plan.batch_size <= self.chunk and not self.long_steps
            kind = stands, *self.data.macros.values()
            if replays and kind not in self.loaded:
                # The first launch of a kernel loads it, which can't be captured: a step whose result is dropped.
                self._load(state, inputs)
                self._step(bind(self.work.workspace), order, 0, self.plan.batch_size)
            self._load(state, inputs)
            if self.products.pairs:
                arguments = (self.epoch.theta, self.work.weights)
                self.kernels.split_weights((self.kernels.weight_blocks,), (THREADS,), arguments)
            done = self._replay(order, full) if replays else 0
            if full:
                self.loaded.add(kind)
            handle = bind(self.work.workspace)
            for number in range(done, len(counts)):
                self._step(handle, order, number - done, counts[number])
            losses = self.epoch.losses[: len(counts)].copy()
            return self.layout.unpack(self.epoch.theta.copy(), self.epoch.slots.copy()), losses

    def finish(self) -> None:
        """See :class:`gpunet.core.program.Program`. A graph serves other data in the same place in memory."""
        self.data = None
        if self.stored_X is not None:
            self.stored_X, self.places, self.prepared, self.graphs = None, None, {}, {}
        if self.has_work and bytes_of([self.work, self.epoch]) <= BYTES:
            KEPT.put(self)

    def _replay(self, order: Any, full: int) -> int:
        """Replay steps of full batches, of which there are `full`, from a graph; returns how many it does."""
        import cupy

        steps = full // -(-full // MAX_GRAPH)
        # One that is there, if it does not have many fewer.
        stands = order is None
        captured = [n for n, without in self.graphs if without == stands and steps < 2 * n <= 2 * full]
        steps = max(captured, default=steps)
        launches = full // steps
        graph = self._graph(steps, order)
        for _ in range(launches):
            graph.launch(cupy.cuda.get_current_stream())
        return launches * steps

    def _graph(self, steps: int, order: Any) -> Any:
        """A CUDA graph of `steps` steps of full batches."""
        import cupy

        key = steps, order is None
        if key not in self.graphs:
            stream = cupy.cuda.Stream(non_blocking=True)
            with stream:
                handle = bind(self.work.workspace)
                stream.begin_capture()
                for offset in range(steps):
                    self._step(handle, order, offset, self.plan.batch_size)
                self.kernels.advance_base((1,), (1,), (self.epoch.base, np.int32(steps)))
                self.graphs[key] = stream.end_capture()
        return self.graphs[key]

    def _load(self, state: TrainState, inputs: EpochInputs) -> None:
        """Copy the state and an epoch's inputs to where the kernels read them."""
        epoch, steps = self.epoch, len(inputs.coefficients)
        self.layout.pack(state, epoch.theta, epoch.slots)
        if inputs.order is not None:
            epoch.order[: inputs.examples] = inputs.order
        epoch.coefficients[:steps] = inputs.coefficients
        if inputs.dropout_keys is not None:
            epoch.keys[:steps] = inputs.dropout_keys
        epoch.base.fill(0)

    def _stored_X(self, inputs: EpochInputs) -> Any:
        """All of X as the first product reads it, where every step takes it as it stands; else None."""
        import cupy

        assert self.data is not None
        X, products = self.data.X, self.products
        if inputs.order is not None or len(X) > self.plan.batch_size or self.plan.layers[0].dropout:
            return None
        if not products.pairs and not self.data.macros:
            return X.ravel()
        try:
            out = cupy.zeros(len(X) * products.row(0), dtype=products.dtype)
        except MemoryError:
            return None  # chunk by chunk
        self._gather(cupy.zeros(1, dtype=np.int32), Chunk(0, None, 0, len(X), len(X)), out)
        return out

    def _reserve(self, inputs: EpochInputs) -> None:
        """Allocate the arrays; where memory is short, for smaller chunks of a batch."""
        gathers = self.stored_X is None
        if self.has_work and (self.work.products.inputs[0].size or not gathers):
            return
        self.prepared, self.graphs = {}, {}
        while True:
            try:
                self.work, self.epoch = self._allocate_work(gathers), self._allocate_epoch(inputs)
                self.has_work = True
                return
            except MemoryError:
                if self.chunk <= MIN_CHUNK:
                    raise
                self._set_chunk(max(self.chunk // 2, MIN_CHUNK))

    def _allocate_epoch(self, inputs: EpochInputs) -> Epoch:
        import cupy

        plan, size = self.plan, self.layout.size
        steps = plan.steps * self.epochs_together
        examples = plan.examples if plan.steps == 1 else plan.examples * self.epochs_together
        return Epoch(
            theta=cupy.empty(size, dtype=plan.dtype),
            slots=cupy.empty((plan.optimizer.slots, size), dtype=plan.dtype),
            order=cupy.empty(examples, dtype=np.int32),
            coefficients=cupy.empty((steps, inputs.coefficients.shape[1]), dtype=plan.dtype),
            keys=cupy.empty((steps, len(plan.layers)), dtype=np.int32),
            losses=cupy.empty(steps, dtype=plan.dtype),
            base=cupy.zeros(1, dtype=np.int32),
        )

    def _allocate_work(self, gathers: bool) -> Work:
        import cupy

        plan, n, chunk, top, products = self.plan, self.layout.sizes, self.chunk, self.top, self.products

        def empty(*shape: int) -> Any:
            return cupy.empty(shape, dtype=plan.dtype)

        def stored(l: int) -> Any:
            """Rows as products read them: what lies between parts must be 0."""
            return cupy.zeros(chunk * products.row(l), dtype=products.dtype)

        inputs = [stored(0) if gathers else cupy.empty(0, dtype=products.dtype)]
        Z = [empty(products.Z_partials * chunk * n[l + 1]) for l in range(top)]
        dA = [empty(chunk * n[l] if l else 0) for l in range(top)]
        if products.pairs:
            inputs += [stored(l) for l in range(1, top)]
            deltas = [stored(l + 1) for l in range(top)]
            activations = [empty(chunk * n[l]) for l in range(1, top)]
        else:  # elementwise work is done in place, unless dropout changes what the next product reads
            activations = Z[: top - 1]
            inputs += [stored(l) if plan.layers[l].dropout else Z[l - 1] for l in range(1, top)]
            deltas = [*dA[1:], Z[top - 1]]
        return Work(
            products=Buffers(
                inputs, Z, deltas, dA, empty(products.partials * self.layout.at_W[top - 1].stop)
            ),
            activations=activations,
            weights=cupy.zeros(products.weights_size, dtype=products.dtype),
            sums_W=empty(self.partials, n[-1] * n[-2]),
            sums_b=empty(self.partials, self.layout.biases),
            losses=empty(max(plan.batch_size, self.partials)),
            squares=cupy.empty(self.kernels.parameter_blocks, dtype=np.float64),
            weight_squares=cupy.empty(self.kernels.parameter_blocks, dtype=np.float64),
            workspace=cupy.empty(WORKSPACE, dtype=np.uint8),
        )

    def _step(self, handle: Any, order: Any, offset: int, count: int) -> None:
        """One update. Its number is ``*base + offset``."""
        work, epoch, kernels = self.work, self.epoch, self.kernels
        several = count > self.chunk
        if several:
            work.products.gradients.fill(0)
        for first in range(0, count, self.chunk):
            self._gradient(handle, Chunk(offset, order, first, min(self.chunk, count - first), count))
        partials = self.products.partials if several else self.products.gradient_partials(count)
        sums = (
            work.products.gradients,
            np.int32(partials),
            work.sums_W,
            work.sums_b,
            np.int32(self.partials),
        )
        step = (epoch.coefficients, epoch.base, np.int32(offset))
        grid, memory = (kernels.parameter_blocks,), 8 * THREADS
        if self.plan.optimizer.clip_norm is not None:
            given = (epoch.theta, *sums, work.squares, *step)
            kernels.square_gradient(grid, (THREADS,), given, shared_mem=memory)
        if self.plan.penalized:
            kernels.square_weights(grid, (THREADS,), (epoch.theta, work.weight_squares), shared_mem=memory)
        sums_of_losses = np.int32(self.partials if kernels.group else count)
        loss = (work.losses, sums_of_losses, np.int32(count), epoch.losses)
        squares = (work.squares, work.weight_squares)
        arguments = (epoch.theta, epoch.slots, *sums, *squares, *step, work.weights, *loss)
        kernels.update((kernels.parameter_blocks + 1,), (THREADS,), arguments, shared_mem=memory)

    def _gradient(self, handle: Any, chunk: Chunk) -> None:
        """The losses and the gradient of a chunk; its partial sums are added to those of earlier chunks."""
        buffers, n, top = self.work.products, self.layout.sizes, self.top
        prepared = self._products(self._inputs(chunk), chunk)
        for l in range(top):
            prepared.forward[l](handle)
            if l < top - 1:
                A, out = self.work.activations[l], buffers.inputs[l + 1]
                b = self.epoch.theta[self.layout.at_b[l]]
                arguments = (*self._Z(l), b, *self._position(chunk), None if A is out else A, out)
                launch(self.kernels.forward[l], chunk.m * n[l + 1] // vector(n[l + 1]), *arguments)
        self._output(chunk)
        for l in range(top - 1, -1, -1):
            prepared.gradient[l](handle)
            if l > 0:
                prepared.backward[l - 1](handle)
                self._delta(l - 1, buffers.dA[l], self.work.activations[l - 1], chunk)

    def _inputs(self, chunk: Chunk) -> Any:
        """The chunk's examples as the first product reads them."""
        if self.stored_X is not None:
            return self.stored_X[chunk.first * self.products.row(0) :]
        gathered = self.work.products.inputs[0]
        self._gather(self.epoch.base, chunk, gathered)
        return gathered

    def _gather(self, base: Any, chunk: Chunk, out: Any) -> None:
        assert self.data is not None
        keys = self.epoch.keys if self.plan.layers[0].dropout else None
        numbers = (chunk.offset, self._apart(chunk), chunk.first, chunk.m, chunk.batch)
        arguments = (self.data.X, chunk.order, keys, base, *map(np.int32, numbers), out)
        n = self.layout.sizes[0]
        kernel, threads = self.kernels.gather.of(self.data.macros), chunk.m * (n // vector(n))
        launch(kernel, threads, *arguments, *self.data.standardizer)

    def _output(self, chunk: Chunk) -> None:
        """The last layer, from the last product: losses and δ, which the products of the layer below read."""
        assert self.data is not None
        work, epoch, kernels, at_b, last = self.work, self.epoch, self.kernels, self.layout.at_b, self.top - 1
        examples = (self.data.Y, self.data.weights, chunk.order)
        places = (chunk.offset, self._apart(chunk), chunk.first, chunk.m, chunk.batch)
        numbers = map(np.int32, places)
        if kernels.group is None:
            arguments = (
                *self._Z(last),
                epoch.theta[at_b[last]],
                *examples,
                epoch.base,
                *numbers,
                work.losses,
            )
            launch(kernels.output_delta, WARP * chunk.m, *arguments)
            self._delta(last, work.products.Z[last], work.products.Z[last], chunk)
            return
        W = epoch.theta[self.layout.at_W[last + 1]]
        layer = (work.products.deltas[last], W, epoch.theta[at_b[last]], epoch.theta[at_b[last + 1]])
        sums = (work.losses, work.sums_W, self._bias_sums(last), self._bias_sums(last + 1))
        kernels.output_layer(
            (self.partials,),
            (THREADS,),
            (
                *self._Z(last),
                *layer,
                *examples,
                epoch.keys,
                epoch.base,
                *numbers,
                *sums,
                np.int32(self.layout.biases),
                np.int32(chunk.first > 0),
            ),
            shared_mem=AT_A_TIME * THREADS * work.losses.itemsize,
        )

    def _delta(self, l: int, D: Any, A: Any, chunk: Chunk) -> None:
        """δ of the layer with index l, from the gradient D of its activations A."""
        arguments = (D, np.int64(0), np.int32(1), A, *self._position(chunk), self.work.products.deltas[l])
        sums = (self._bias_sums(l), np.int32(self.partials), np.int32(self.layout.biases))
        n = self.layout.sizes[l + 1]
        threads = self.partials * (n // vector(n))
        launch(self.kernels.backward[l], threads, *arguments, *sums, np.int32(chunk.first > 0))

    def _apart(self, chunk: Chunk) -> int:
        """Examples from the first one of a step to that of the next one: 0 where a full batch is repeated."""
        repeated = chunk.order is None and self.plan.steps == 1
        return 0 if repeated else self.plan.batch_size

    def _position(self, chunk: Chunk) -> tuple[Any, ...]:
        """Arguments of the kernels of hidden layers: where the examples of a chunk are."""
        numbers = map(np.int32, (chunk.offset, chunk.first, chunk.m, chunk.batch))
        return (self.epoch.keys, self.epoch.base, *numbers)

    def _Z(self, l: int) -> tuple[Any, ...]:
        """Arguments of the kernels that add up the partial sums of a product."""
        apart = np.int64(self.chunk * self.layout.sizes[l + 1])
        return (self.work.products.Z[l], apart, np.int32(self.products.Z_partials))

    def _bias_sums(self, l: int) -> Any:
        """Partial sums of the gradient of ``b[l + 1]``: its first row. Rows are `biases` values apart."""
        return self.work.sums_b.reshape(-1)[self.layout.at_b[l].start - self.layout.weights :]

    def _products(self, x: Any, chunk: Chunk) -> PreparedProducts:
        """The products of a chunk whose examples are `x`."""
        m, several = chunk.m, chunk.batch > self.chunk
        key = x.data.ptr, m, several
        if key not in self.prepared:
            layers = range(self.top)
            buffers = self.work.products._replace(inputs=[x, *self.work.products.inputs[1:]])
            W = self.work.weights if self.products.pairs else self.epoch.theta
            self.prepared[key] = PreparedProducts(
                [self.products.forward(buffers, W, l, m) for l in layers],
                [self.products.gradient(buffers, l, m, accumulate=several) for l in layers],
                [self.products.backward(buffers, W, l, m) for l in layers[1:]],
            )
        return self.prepared[key]
