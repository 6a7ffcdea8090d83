"""The program for mini-batches and full batches: buffers, made once per plan, around its kernel."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.arguments import packed
from gpunet_numpy.compiled.data import (
    bounds_of,
    data_of,
    epochs_together,
    input_buffers,
    losses_of,
    masks_of,
    sparse_below,
    unsupported_reason,
    with_keys,
)
from gpunet_numpy.compiled.inputs import CSC_EXAMPLES
from gpunet_numpy.compiled.kept_rows import KnownInputs
from gpunet_numpy.compiled.kernels import Kernel
from gpunet_numpy.compiled.layout import Layout, aligned, by_kind, by_layer
from gpunet_numpy.compiled.minibatch.buffers import Buffers
from gpunet_numpy.compiled.rules import MOMENTUM, rule_of
from gpunet_numpy.compiled.sizes import CACHE_LINE, NARROW, WIDEST
from gpunet_numpy.compiled.threads import run, run_here, threads
from gpunet_numpy.kept import BYTES, KEPT

CHUNK = 1024  # examples that are worked on at a time, at most: of the batch, or of each thread
SPARSE_CHUNK = 256  # the same where inputs are sparse
CACHE, FEWEST = 2**18, 256  # bytes that a chunk should not exceed, if it can have that many examples
WORK = 100_000  # multiplications of a batch that are worth a thread
NEURONS = 32  # of the first layer that a thread should own at least
EXAMPLES = 64  # of a batch that a thread should have at least: it reads all weights for them
EXAMPLES_PER_NEURON = 1.5  # if there are so many, they are divided and not the neurons
SHORT = 2_000_000  # multiplications of an epoch that are done before other threads have woken up
HERE = 20_000_000  # of one that a single thread does without a hand-over: Ctrl-C waits for its end
GRADIENTS = 2**15  # bytes of gradients that stay in a processor's nearest cache until they are used
ADDED = 2**16  # the same where rows are added to them: more of these have an entry among them
PARTS = 2**27  # numbers that all threads' partial gradients may have


def threads_of(plan: Plan) -> tuple[int, bool]:
    """How many threads do a batch, and whether its examples are divided among them, and not the first layer's neurons.

    The sizes of batch and network decide, which are the same in every run.
    """
    units, batch = plan.layers[0].units, plan.batch_size
    short = plan.examples * plan.weights <= SHORT
    most = 1 if short else max(min(threads(), batch * plan.weights // WORK), 1)
    by_neurons, by_examples = min(most, max(units // NEURONS, 1)), min(most, -(-batch // EXAMPLES))
    if by_examples > by_neurons or (by_examples > 1 and batch >= EXAMPLES_PER_NEURON * units):
        return by_examples, True
    return by_neurons, False


class MiniBatch(Program):
    """See :mod:`gpunet_numpy.compiled.minibatch.kernel`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled mini-batch"
    kernel = Kernel("gpunet_numpy.compiled.minibatch.kernel", "run_epoch")
    takes_integers = True
    repeats_full_batch = True
    keeps_activations = False

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.rule = rule_of(plan.optimizer, plan.dtype, plan.penalized)
        self.threads, self.by_examples = threads_of(plan)
        self.short = self.threads == 1 and plan.examples * plan.weights <= HERE
        by_blas = (layer.weights for layer in plan.layers if min(layer.inputs, layer.units) < NARROW)
        self.largest = plan.batch_size * max(by_blas, default=0)
        self.epochs_together = epochs_together(plan, on_threads=not self.short)
        self.layout = Layout.of(plan, 1 if self.by_examples else self.threads)
        self.buffers: dict[bool, tuple[Any, ...]] = {}
        self.masks = masks_of(plan)
        # What is dropped of inputs changes from step to step.
        share = 0.0 if plan.layers[0].dropout > 0 else sparse_below(plan.layers[0].units, plan.batch_size)
        self.known = KnownInputs(self.threads, plan.batch_size, share)
        # W[1] and its slots as the kernel left them, and which arrays of the last result are the same.
        self.panels = np.empty(0, plan.dtype)
        self.laid_out: list[Any] = []

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why this program can't run `plan`."""
        return unsupported_reason(plan, dropout=True, self_gated=True, clipping=True)

    def is_current(self) -> bool:
        """Whether it is as one that would be made now: a limit of threads may have changed."""
        return (self.threads, self.by_examples) == threads_of(self.plan)

    def finish(self) -> None:
        """See :class:`gpunet.core.program.Program`."""
        self.known.forget()
        if self._bytes() <= BYTES:
            KEPT.put(self)

    def _bytes(self) -> int:
        """Of its arrays."""
        arrays = [self.panels]
        for _, inputs, made in self.buffers.values():
            arrays += [one for one in (*inputs, *made.values()) if isinstance(one, np.ndarray)]
        return sum(one.nbytes for one in arrays)

    def _chunk(self, sparse: bool) -> tuple[bool, int]:
        """Whether each thread takes its examples to the end, and how many are worked on at a time, by it or by all."""
        plan, layout, count = self.plan, self.layout, self.threads
        features = plan.layers[0].inputs
        if sparse:
            most = min(SPARSE_CHUNK, max(PARTS // (4 * count * features), CSC_EXAMPLES))
        else:
            most = max(min(CHUNK, CACHE // (features * layout.dtype.itemsize)), FEWEST)
        parts = count * (features * layout.width + layout.count)
        apart = self.by_examples and plan.batch_size > count * most and parts <= PARTS
        examples = -(-plan.batch_size // count) if apart else plan.batch_size
        if self.by_examples and not apart:
            most *= count
        return apart, -(-examples // -(-examples // most))  # chunks of one size

    def _buffers(self, sparse: bool) -> tuple[Any, ...]:
        """Those that do not depend on the data, made when first needed."""
        if sparse not in self.buffers:
            plan, layout, count = self.plan, self.layout, self.threads
            n = [int(size) for size in layout.sizes]
            apart, chunk = self._chunk(sparse)
            assert self.rule is not None
            whole, width = plan.batch_size <= chunk, layout.width * layout.dtype.itemsize
            clips = plan.optimizer.clip_norm is not None
            in_place = self.rule.code <= MOMENTUM and whole and not clips
            by_tiles = sparse and not (apart or in_place or clips) and whole
            by_rows = by_tiles and width <= WIDEST
            rows = max((ADDED if by_rows else GRADIENTS) // width, 1) if by_tiles else n[0]
            across = layout.tiles_across(count)
            if sparse and not apart:
                across[1] = 1  # the examples that have a feature are listed by one thread
            at_A, room = layout.at_A(chunk)
            groups = count if apart else 1
            made = {
                "apart": int(apart),
                "in_place": int(in_place),
                "chunk": chunk,
                "width": layout.width,
                "across": across,
                "features": rows,
                "by_tiles": int(by_tiles),
                "by_rows": int(by_rows),
                "panel_gradients": (
                    count if apart or by_tiles else layout.threads,
                    0 if in_place else rows * layout.width,
                ),
                "later_gradients": (groups, 0 if in_place else layout.count),
                "A": (groups, room),
                "D": (groups, room),
                "slopes": (groups, room if layout.self_gated else 0),
                "squares": (count,),
                "bias_sums": (count, sum(n[1:])),
                "sums": (count, 3, max(layout.width, *n[1:]) + CACHE_LINE),
            }
            self.buffers[sparse] = (
                packed(layout.network(at_A=at_A)),
                input_buffers(n[0], chunk, plan.dtype, sparse, count, (groups,)),
                {
                    name: aligned(*one, dtype=plan.dtype) if isinstance(one, tuple) else one
                    for name, one in made.items()
                },
            )
        return self.buffers[sparse]

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        plan, layout, bounds = self.plan, self.layout, bounds_of(self.plan, inputs)
        input_rows = self.known.of(inputs, lambda sparse: self._buffers(sparse)[1])
        network, _, made = self._buffers(bool(input_rows.sparse))
        kinds = by_kind(state)
        given, later = self._lay_out(kinds), layout.pack_later(*kinds)
        n0, n1 = plan.layers[0].inputs, plan.layers[0].units
        result = [np.empty((n1, n0), plan.dtype) for _ in kinds]
        losses, penalties = np.zeros((2, len(bounds), self.threads))
        arguments = (
            network,
            self.rule,
            input_rows,
            data_of(inputs, bounds, gathered=plan.layers[0].dropout > 0),
            Buffers(
                given=three(given, plan.dtype),
                made=three(result, plan.dtype),
                panels=self.panels,
                later=later,
                losses=losses,
                penalties=penalties,
                **made,
            ),
            with_keys(self.masks, inputs, len(bounds)),
        )
        if self.short:
            run_here(self.kernel, plan.dtype, self.largest, *arguments)
        else:
            run(self.kernel, self.threads, plan.dtype, *arguments)
        self.laid_out = [weakref.ref(one) for one in result]
        new = TrainState(*by_layer(layout.with_later(result, later)))
        return new, losses_of(losses, bounds, plan.dtype, penalties)

    def _lay_out(self, kinds: Any) -> list[Any]:
        """What the kernel has to lay out: W[1] and its slots, empty arrays where the panels have them already."""
        first, refs = [layers[0][0] for layers in kinds], self.laid_out
        self.laid_out = []  # a call that is stopped leaves panels half updated
        if not self.panels.size:
            shape = len(kinds), self.layout.threads, first[0].shape[1] * self.layout.width
            self.panels = aligned(*shape, dtype=self.layout.dtype)
        refs = refs or [lambda: None] * len(kinds)
        nothing = np.empty((0, 0), self.layout.dtype)
        return [
            nothing if ref() is W else np.ascontiguousarray(W) for ref, W in zip(refs, first, strict=True)
        ]


def three(arrays: Any, dtype: Any) -> Any:
    """As many arrays as there can be, with empty ones in the place of those that a rule does not have."""
    return (*arrays, *[np.empty((0, 0), dtype)] * (3 - len(arrays)))
