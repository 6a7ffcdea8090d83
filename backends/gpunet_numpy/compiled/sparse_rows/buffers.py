"""What the kernel for sparse rows is called with."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpunet_numpy.compiled.rules import RMSPROP, Rule


class SparseData(NamedTuple):
    """What an epoch reads: see :class:`gpunet_numpy.compiled.data.Data`; X as CSR."""

    starts: Any  # int64 (m + 1,): where each example's entries begin
    features: Any  # int32 (entries,)
    values: Any  # (entries,)
    Y: Any
    weights: Any
    order: Any
    coefficients: Any


class Buffers(NamedTuple):
    """Arrays that the kernel writes to, and its settings. Those of the same name are those of the mini-batch kernel."""

    in_place: int
    chunk: int
    width: int
    across: Any
    panels: Any  # (1 + slots, 1, n[0] · width)
    given: Any  # the same before the epoch; empty if the panels hold it
    later: Any
    later_gradient: Any  # (numbers,), or empty
    A: Any
    D: Any
    slopes: Any
    bias_sums: Any
    sums: Any
    losses: Any
    gradients: Any  # (threads, width): of a feature; (n[0], width): of all, for batches of several chunks
    summed: Any  # int32 (n[0],): then the step, from 1, whose gradient the feature's row holds
    stretch: int  # steps that are foreseen at a time
    upcoming: Any  # int32 (n[0],): the next step that has the feature, or the end of the stretch
    following: Any  # int32 (entries,): of each entry of a stretch, its feature's next step
    seen: Any  # int32 (n[0],): where the feature was listed last, counted from 1 on over all chunks of a stretch
    own: Any  # int32 (threads, entries of a row + 1): those of a thread's features
    places: Any  # int32 (threads, entries): where the features of a chunk's entries are listed
    listed: Any  # int32 (threads, room): the features of a chunk
    begins: Any  # int32 (threads, room): where the examples that have them begin
    counts: Any  # int32 (threads, room)
    examples: Any  # int32 (threads, entries): counted from the chunk's first
    values: Any  # (threads, entries)
    spare: Any  # (threads, width): for updates without a gradient
    powers: Any  # float64 (2, stretch + 2), or less: what `powers_of` returns
    penalties: Any  # float64 (steps, threads): see the mini-batch kernel


def powers_of(rule: Rule, steps: int) -> Any:
    """``(2, steps + 2)``: what k updates leave of the first slot, βᵏ; and the root of what they leave of the second."""
    first = rule.beta2 if rule.code == RMSPROP else rule.beta1
    return np.array([[float(first)], [math.sqrt(float(rule.beta2))]]) ** np.arange(steps + 2)
