"""What the steps of a run are given: drawn epoch by epoch on the host, and brought to the device in chunks."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from gpunet.core.checks import finite_number
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program
from gpunet.core.schedules import scaled_rate
from gpunet.devices.placement import Placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.integer_examples import IntegerExamples
from gpunet.inputs.pipeline import Examples
from gpunet.training.chunks import Chunks
from gpunet.training.history import History
from gpunet.training.parts import PartsOfWindows
from gpunet.training.position import Position
from gpunet.training.transforms import Transform
from gpunet.training.windows import Windows

Array = Any

CHUNK_EXAMPLES = 500_000  # of a run without pauses: its orders and coefficients take little memory
# Numbers in the transformed inputs that are kept at a time, at least those of a batch: 16 MiB of float32.
MOST_TRANSFORMED = 2**22


@functools.lru_cache(maxsize=1)
def drawn(seed: int, epochs_trained: int, examples: int, shape: tuple[int, int] | None) -> tuple[Any, Any]:
    """An order of so many examples, and dropout keys of this shape, drawn in turn; None for what there is none of.

    The last ones are kept: a run draws those of the epoch after its last one while a GPU works on that, for the next
    run. Nobody writes to them.
    """
    rng = np.random.default_rng([seed, epochs_trained])
    order = rng.permutation(examples).astype(np.int32) if examples else None
    keys = None if shape is None else rng.integers(-(2**31), 2**31, size=shape, dtype=np.int32)
    return order, keys


class Feed:
    """The inputs of a run's epochs.

    Parameters
    ----------
    plan : Plan
    placement : Placement
    examples : Examples
        A sample of them, where there are windows.
    seed : int
        Of the network: order and dropout of an epoch depend on it and on the epoch's number alone.
    shuffle : bool
    epochs : int
        Of the run, which a schedule may depend on.
    program : Program
        Whose blocks chunks are not to cut.
    history : History
        Its `learning_rate_factor` counts.
    chunks : Chunks or None
        Where the run pauses within epochs; None for no pauses.
    transform : Transform or None
        Of each batch; the examples are raw then.
    windows : Windows or None
        Of the examples, where not all are in memory.
    """

    def __init__(
        self,
        plan: Plan,
        placement: Placement,
        examples: Examples,
        seed: int,
        shuffle: bool,
        epochs: int,
        program: Program,
        history: History,
        chunks: Chunks | None,
        transform: Transform | None,
        windows: Windows | None,
    ) -> None:
        self.plan = plan
        self.placement = placement
        if isinstance(examples.X, IntegerExamples) and not program.takes_integers:
            examples = examples._replace(X=examples.X.as_array())
        if isinstance(examples.X, SparseExamples) and plan.layers[0].dropout:
            examples = examples._replace(X=examples.X.as_dense())  # masks are dense
        self.examples = examples
        self.seed = seed
        self.shuffle = shuffle
        self.epochs = epochs
        self.program = program
        self.history = history
        self.chunks = chunks
        self.transform = transform
        self.windows = windows

    def begin(self, position: Position, epochs_trained: int, updates: int) -> None:
        """Begin the run at a position, to which the network has been trained for so many epochs and updates."""
        self.epochs_before = epochs_trained - position.epoch
        self.updates_before = updates - position.step - position.epoch * self.plan.steps
        if self.windows is not None:
            self.windows.epochs = self.epochs_trained(self.epochs)

    def epochs_trained(self, epoch: int) -> int:
        """Epochs that the network has been trained for before epoch `epoch` (from 0) of the run."""
        return self.epochs_before + epoch

    def updates(self, epoch: int) -> int:
        """Updates from when the optimizer's slots were zero to the start of an epoch of the run."""
        return self.updates_before + epoch * self.plan.steps

    def inputs(self, epoch: int, count: int = 1) -> EpochInputs:
        """The inputs of `count` epochs from one on, as if they were one.

        Examples are on the device; all that is drawn or counted is on the host.
        """
        plan = self.plan
        draws = [self.draw(epoch + i) for i in range(count)]
        order, keys = _joined([order for order, _ in draws]), _joined([keys for _, keys in draws])
        repeated = self.program.repeats_full_batch and plan.steps == 1
        if order is None and count > 1 and not repeated:
            order = np.tile(np.arange(plan.examples, dtype=np.int32), count)
        whole = self.windows is None and self.transform is None
        left = self.epochs - epoch if whole else 1
        return EpochInputs(*self.examples, order, self.coefficients(epoch, count), keys, left)

    def draw(self, epoch: int) -> tuple[Any, Any]:
        """Order and dropout keys of an epoch; None for what there is none of."""
        plan = self.plan
        examples = plan.examples if self.shuffle and self.windows is None else 0
        shape = (plan.steps, len(plan.layers)) if plan.uses_dropout else None
        if not examples and shape is None:
            return None, None
        # What takes much memory is not kept.
        draw = drawn if examples <= CHUNK_EXAMPLES else drawn.__wrapped__
        return draw(self.seed, self.epochs_trained(epoch), examples, shape)

    def coefficients(self, epoch: int, count: int = 1) -> Any:
        """The optimizer's coefficients of `count` epochs, ``(steps, k)``, at the rate that callbacks have set."""
        plan, optimizer, steps = self.plan, self.plan.optimizer, count * self.plan.steps
        factor = self.history.learning_rate_factor
        if factor != 1.0:
            factor = finite_number("history.learning_rate_factor", factor, 0.0, strict=True)
            optimizer = optimizer.with_learning_rate(scaled_rate(optimizer.learning_rate, factor))
        first, planned = epoch * plan.steps, self.epochs * plan.steps
        # Constant coefficients are computed once, not for each update of the epoch.
        distinct = 1 if optimizer.constant_coefficients else steps
        run_steps = range(first, first + distinct)
        computed = optimizer.coefficients_of(run_steps, planned, self.updates(epoch))
        coefficients = np.ascontiguousarray(np.array(computed, dtype=plan.dtype).T)
        return coefficients if distinct == steps else np.repeat(coefficients, steps, axis=0)

    def chunk_end(self, first: int, epoch: int) -> int:
        """The step before which a chunk that begins with step `first` of an epoch ends."""
        plan, block = self.plan, self.program.block_steps
        if self.chunks is not None:
            last = self.chunks.end(first, plan.steps, block)
        else:
            size = max(CHUNK_EXAMPLES // plan.batch_size, 1)
            last = min(first + -(-size // block) * block, plan.steps)
        if self.windows is not None:
            last = min(last, self.windows.steps(self.epochs_trained(epoch), first).stop)
        if self.transform is not None:
            last = min(last, self._transformed_together(first, epoch).stop)
        return last

    def on_device(self, inputs: EpochInputs, epoch: int, steps: range) -> EpochInputs:
        """Some steps of an epoch's inputs, transformed, and all on the device."""

        def to_device(host: Any) -> Array:
            return self.placement.to_device(np.ascontiguousarray(host))

        size, start = self.plan.batch_size, 0  # the step that the inputs begin with
        keys, trained = inputs.dropout_keys, self.epochs_trained(epoch)
        if self.windows is not None and self.plan.in_parts:
            positions = range(steps.start * size, min(steps.stop * size, self.plan.examples))
            kept = self.program.keeps_activations
            parts = PartsOfWindows(self.windows, self.plan, self.placement, trained, positions, kept)
            inputs, start = inputs._replace(X=parts, Y=None, example_weights=None), steps.start
        elif self.windows is not None:
            (X, Y, weights), used = self.windows.window(trained, steps.start)
            inputs = inputs._replace(X=X, Y=Y, example_weights=weights, order=used)
            start = self.windows.steps(trained, steps.start).start
        if self.transform is not None:
            together = self._transformed_together(steps.start, epoch)
            given = Examples(inputs.X, inputs.Y, inputs.example_weights)
            X, Y, weights = self.transform.examples(given, inputs.order, start, trained, together)
            inputs, start = inputs._replace(X=X, Y=Y, example_weights=weights, order=None), together.start
        examples = inputs.examples
        first, last = (steps.start - start) * size, min((steps.stop - start) * size, examples)
        if inputs.order is not None:
            order = to_device(inputs.order[first:last])
        elif last - first < examples or (self.plan.steps > 1 and self.windows is None):
            # Batches of whole epochs too: products of a slice and of gathered examples may round in different ways.
            order = to_device(np.arange(first, last, dtype=np.int32))
        else:
            order = None
        return inputs._replace(
            order=order,
            coefficients=to_device(inputs.coefficients[steps.start : steps.stop]),
            dropout_keys=None if keys is None else to_device(keys[steps.start : steps.stop]),
        )

    def _transformed_together(self, step: int, epoch: int) -> range:
        """The steps whose batches are transformed together with those of a step: the same wherever the run pauses."""
        plan, block = self.plan, self.program.block_steps
        window = range(plan.steps)
        if self.windows is not None:
            window = self.windows.steps(self.epochs_trained(epoch), step)
        most = max(MOST_TRANSFORMED // (plan.batch_size * self.examples.X.shape[0]), 1)
        size = -(-most // block) * block
        every = plan.steps if self.chunks is None else self.chunks.every or plan.steps
        base = max(step // every * every, window.start)  # from which a program counts its blocks
        first = base + (step - base) // size * size
        return range(first, min(first + size, step // every * every + every, window.stop))


def _joined(parts: list[Any]) -> Any:
    """Orders or keys of epochs, one after the other; None if there are none."""
    if len(parts) == 1 or parts[0] is None:
        return parts[0]
    return np.concatenate(parts)
