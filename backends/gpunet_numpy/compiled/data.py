"""Training data and their buffers as kernels take them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.integer_columns import IntegerColumns
from gpunet.core.losses import LOSSES
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs
from gpunet_numpy.compiled.codes import ACTIVATION, KIND, SELF_GATED
from gpunet_numpy.compiled.inputs import CSC_EXAMPLES, Inputs
from gpunet_numpy.compiled.layout import aligned
from gpunet_numpy.compiled.rules import rule_of

# Share of numbers that are not 0 below which data are treated as sparse: a number of CSR costs two to three times one
# in a dense product, and has to be found. For few neurons and many examples that costs more than all else.
SPARSE, SPARSE_OF_FEW = 0.35, 0.1
FEW_NEURONS, MANY_EXAMPLES = 32, 128
FAR = 16  # times the numbers of most features: a common value of one feature that is larger is none
# Multiplications of the epochs of a call: a few milliseconds, for Ctrl-C waits for their end; and of one to threads,
# which takes about a millisecond with the weights' way there and back, and can be interrupted.
TOGETHER, TOGETHER_ON_THREADS = 20_000_000, 2_000_000_000
EXAMPLES_TOGETHER, MOST_TOGETHER = 2**21, 1024  # examples of these epochs, whose orders take memory; epochs
HASHES = 2**24  # values of a place's hash, see gpunet.core.dropout
SAMPLE = 256  # examples that tell how many zeros there are
FEW_EXAMPLES = 16  # of these, which of most data tell it alone


class Data(NamedTuple):
    """What an epoch reads. Arrays of size 0 stand for None: a kernel is compiled for one type of each argument."""

    X: Any  # (m, n[0]), rows; none where they are integers, see Inputs
    Y: Any  # (m, n[L])
    weights: Any  # (m,), or empty
    order: Any  # int32, or empty: as they stand
    coefficients: Any  # (steps, k)
    bounds: Any  # int64 (steps, 2): the examples of each step, as positions in the order; or of each block of them


class Masks(NamedTuple):
    """Dropout, see :mod:`gpunet_numpy.compiled.dropout`: what is at index l is for A[l]."""

    thresholds: Any  # int32 (L,): hashes below it are dropped; 0 drops none
    kept: Any  # (L,): 1/(1 − rate)
    keys: Any  # int32 (steps, L)


def masks_of(plan: Plan) -> Masks:
    """The masks of a plan, without keys."""
    rates = [layer.dropout for layer in plan.layers]
    thresholds = np.array([round(rate * HASHES) for rate in rates], np.int32)
    kept = np.array([1 / (1 - rate) for rate in rates], plan.dtype)
    return Masks(thresholds, kept, np.empty((0, len(rates)), np.int32))


def with_keys(masks: Masks, inputs: EpochInputs, steps: int) -> Masks:
    """The masks of a call of so many steps. Keys are any numbers where nothing is dropped."""
    keys = inputs.dropout_keys
    if keys is None:
        keys = np.empty((steps, len(masks.kept)), np.int32)
    return masks._replace(keys=np.ascontiguousarray(keys, np.int32))


def data_of(inputs: EpochInputs, bounds: Any, gathered: bool = False) -> Data:
    """The inputs of a call, examples as rows: the arrays that their columns were made from, as a rule.

    With `gathered` they have an order in any case, so that a kernel has rows of its own.
    """
    X, dtype = inputs.X, inputs.Y.dtype
    rows = np.empty((0, X.shape[0]), dtype) if isinstance(X, IntegerColumns) else X.T
    weights = np.empty(0, dtype) if inputs.example_weights is None else inputs.example_weights.ravel()
    order = inputs.order
    if order is None:  # integers are never used as they stand
        gathered = gathered or isinstance(X, IntegerColumns)
        order = np.arange(inputs.examples if gathered else 0, dtype=np.int32)
    given = (rows, inputs.Y.T, weights, order, inputs.coefficients, bounds)
    return Data(*(np.ascontiguousarray(one) for one in given))


def bounds_of(plan: Plan, inputs: EpochInputs, size: int = 0) -> Any:
    """Positions ``[first, last)`` of the examples of each batch, ``(steps, 2)``, or of each block of `size` of them.

    A call is a part of an epoch, or several epochs; then none holds examples of two. A full batch that is repeated is
    the same examples in each step.
    """
    epoch, size = min(plan.examples, inputs.examples), size or plan.batch_size
    epochs = -(-inputs.examples // plan.examples)
    first = np.arange(0, epoch, size)
    bounds = np.stack([first, np.minimum(first + size, epoch)], axis=1)
    if inputs.repeats(plan) > 1:
        return np.tile(bounds, (inputs.repeats(plan), 1))
    if epochs > 1:
        return (bounds + epoch * np.arange(epochs)[:, None, None]).reshape(-1, 2)
    return bounds


def unsupported_reason(
    plan: Plan, dropout: bool = False, self_gated: bool = False, clipping: bool = False
) -> str | None:
    """Why no compiled program supports `plan`, or none without dropout, self-gated activations, or clipping."""
    others = sorted(str(g) for g in set(plan.activations) - ACTIVATION.keys())
    if others:
        return f"{others[0]} has no compiled form"
    if plan.loss not in LOSSES:
        return f"{plan.loss} has no compiled form"
    gated = next((g for g in map(str, plan.activations) if ACTIVATION[g] >= SELF_GATED), None)
    if gated and not self_gated:
        return f"{gated} is done in batches"
    if ACTIVATION[str(plan.activations[-1])] >= SELF_GATED:
        return f"{plan.activations[-1]} as the output has no compiled form"
    if "softmax" in plan.activations[:-1]:
        return "softmax between layers couples neurons that belong to several threads"
    if plan.activations[-1] == "softmax" and LOSSES[plan.loss].canonical != "softmax":
        return f"softmax with {plan.loss} has no compiled form"
    if plan.loss == "logistic" and plan.activations[-1] != "sigmoid":
        return f"{plan.activations[-1]} with logistic has no compiled form"
    if not all(plan.trainable):
        return "frozen layers have no compiled form"
    if plan.uses_dropout and not dropout:
        return "dropout is done in batches"
    if rule_of(plan.optimizer) is None:
        return f"{type(plan.optimizer).__name__} has no compiled form"
    if plan.optimizer.clip_norm is not None and not clipping:
        return "clipping needs the whole gradient first"
    return None


def input_buffers(
    features: int, examples: int, dtype: Any, sparse: bool, threads: int = 1, groups: tuple[int, ...] = ()
) -> Inputs:
    """Buffers for the inputs of so many examples, all offsets 0.

    With `groups` ``(k,)`` there are k times all that is written for a batch, along a first axis.
    """
    dense_room, room = (0, examples) if sparse else (examples, 0)
    chunks = -(-room // CSC_EXAMPLES)
    n = features if sparse else 0
    count = math.prod(groups)

    def made(*shape: int, dtype: Any = dtype) -> Any:
        return aligned(*groups, *shape, dtype=dtype)

    return Inputs(
        sparse=int(sparse),
        shifted=0,
        offsets=aligned(n, dtype=dtype),
        scaled_offsets=made(n),
        range=np.arange(n, dtype=np.int32),
        rows=made(dense_room, features),
        csr_indices=aligned(count * room * n, dtype=np.int32),
        csr_values=aligned(count * room * n, dtype=dtype),
        csr_places=n * np.arange(count * room).reshape(*groups, room),
        csr_starts=made(room, dtype=np.int64),
        csr_counts=made(room, dtype=np.int32),
        csr_parts=made(room, threads // count, dtype=np.int32),
        kept_starts=np.empty(0, np.int64),
        kept_counts=np.empty(0, np.int32),
        kept_parts=np.empty((0, 0), np.int32),
        kept_ends=np.empty((0, 0), np.int64),
        csc_indices=made(chunks, n * CSC_EXAMPLES, dtype=np.int32),
        csc_values=made(chunks, n * CSC_EXAMPLES),
        csc_counts=made(chunks, n, dtype=np.int32),
        cursors=aligned(threads, max(CSC_EXAMPLES, room), dtype=np.int64),
        edges=np.empty(0, np.int64),
        kind=0,
        integers=np.empty((0, 0), np.uint8),
        mean=np.empty(0, dtype),
        deviation=np.empty(0, dtype),
        numbers=aligned(threads, features, dtype=dtype),
    )


def with_integers(inputs: Inputs, X: Any) -> Inputs:
    """The same buffers, to read these :class:`~gpunet.core.integer_columns.IntegerColumns` with."""
    rows = np.ascontiguousarray(X.rows)
    if X.mean is not None:
        inputs = inputs._replace(
            mean=np.ascontiguousarray(X.mean), deviation=np.ascontiguousarray(X.deviation)
        )
    return inputs._replace(kind=KIND[str(rows.dtype)], integers=rows.view(np.uint8))


def sample(X: Any) -> Any:
    """Some examples of columns X, from all over, as rows of numbers."""
    some = sample_of(X.shape[1])
    return X.columns(some).T if isinstance(X, IntegerColumns) else X.T[some]


def with_offsets(inputs: Inputs, offsets: Any) -> Inputs:
    """The same buffers for data with other offsets; None for dense data."""
    if offsets is None:
        return inputs
    return inputs._replace(offsets=offsets, shifted=int(offsets.any()))


def common_values(some: Any, share: float) -> Any:
    """What most examples have for each feature, if less than a share of the numbers differ from that; else None.

    It is 0 for images and tables with many zeros, and the standardised 0 where they are standardised. A sample of
    the examples tells; another choice would give the same results more slowly.
    """
    if has_zeros(some, share):
        return np.zeros(some.shape[1], dtype=some.dtype)
    few = some[:: max(len(some) // FEW_EXAMPLES, 1)]
    if _usual(few, 2 * share) is None:  # by far: the others need not be asked
        return None
    return _usual(some, share)


def _usual(some: Any, share: float) -> Any:
    """The median of each feature, or None unless less than a share of the numbers differ from it.

    0 for a feature whose median is far larger than the numbers of most features, as a code for missing cells may be:
    ``x − median`` would round its other values to the median's precision.
    """
    # A row of its own: of a sample that lies feature by feature it would not be contiguous, as kernels need it.
    middle = len(some) // 2
    usual = np.partition(some, middle, axis=0)[middle].copy()
    if not np.count_nonzero(some != usual) < share * some.size:
        return None
    largest = np.abs(some).max(axis=0)
    if largest.any():
        usual[np.abs(usual) > FAR * np.median(largest[largest > 0])] = 0
    return usual if np.count_nonzero(some != usual) < share * some.size else None


def sparse_below(units: int, examples: int) -> float:
    """Share of numbers that are not 0 below which data are sparse, for a first layer and examples of a batch."""
    return SPARSE_OF_FEW if units <= FEW_NEURONS and examples >= MANY_EXAMPLES else SPARSE


def is_sparse(rows: Any, share: float) -> bool:
    """Whether less than a share of the numbers are other than 0."""
    return has_zeros(rows[sample_of(len(rows))], share)


def has_zeros(some: Any, share: float) -> bool:
    """The same, of a sample."""
    return bool(np.count_nonzero(some) < share * some.size)


def sample_of(m: int) -> slice:
    """Which of m examples tell about all: a few, from all over."""
    step = max(m // SAMPLE, 1)
    return slice(0, SAMPLE * step, step)


def epochs_together(plan: Plan, on_threads: bool = False) -> int:
    """Epochs of a plan for one call."""
    most, work = TOGETHER_ON_THREADS if on_threads else TOGETHER, plan.examples * plan.weights
    return max(min(most // work, EXAMPLES_TOGETHER // plan.examples, MOST_TOGETHER), 1)


def losses_of(sums: Any, bounds: Any, dtype: str, penalties: Any = 0.0) -> Any:
    """``J`` of each batch from the threads' sums of losses, and of the penalty; see :func:`bounds_of`."""
    return (sums.sum(axis=1) / (bounds[:, 1] - bounds[:, 0]) + np.sum(penalties, axis=-1)).astype(dtype)
