"""Dropout: masks as :mod:`gpunet.core.dropout` makes them, number by number.

A mask is a function of the step's key and of place: neuron j and column i of the batch. So it is not stored: the
backward pass makes it again.
"""

from __future__ import annotations

from typing import Any

from gpunet_numpy.compiled.intrinsics import cast, hashed, inner, noinline
from gpunet_numpy.compiled.math import multiply_slope


@inner
def drop(a: Any, place: Any, threshold: Any, kept: Any) -> None:
    """``a ← a ∘ mask`` for an example's numbers; `place` is ``(m, i, key)``, of m examples in the batch."""
    noinline()
    m, column, key = place
    zero = cast(0, a)
    for j in range(a.size):
        a[j] *= kept if hashed(j, m, column, key) >= threshold else zero


@inner
def drop_errors(
    activation: Any, d: Any, a: Any, slopes: Any, place: Any, threshold: Any, kept: Any, whole: Any
) -> None:
    """``d ← d ∘ mask ∘ g′`` from ``a = mask ∘ g(z)``, or `slopes`; `whole`, at least as long as a, is written to."""
    noinline()
    m, column, key = place
    zero, share = cast(0, a), cast(1, a) / kept
    for j in range(a.size):
        d[j] *= kept if hashed(j, m, column, key) >= threshold else zero
        whole[j] = a[j] * share
    multiply_slope(activation, d, whole, slopes)
