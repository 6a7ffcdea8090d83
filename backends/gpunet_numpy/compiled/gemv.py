"""Products with one or a few examples, where a call of BLAS would cost more than the work."""

from __future__ import annotations

from typing import Any

from gpunet_numpy.compiled.intrinsics import cast, inlined, inner, noinline
from gpunet_numpy.compiled.updates import follow


@inlined
def fill(x: Any, value: Any) -> None:
    """``x ← value``."""
    for i in range(x.size):
        x[i] = value


@inlined
def copy(x: Any, y: Any) -> None:
    """``x ← y``."""
    for i in range(x.size):
        x[i] = y[i]


@inlined
def add(x: Any, factor: Any, y: Any) -> None:
    """``x ← x + factor · y``."""
    for i in range(x.size):
        x[i] += factor * y[i]


@inner
def add_rows(x: Any, D: Any) -> None:
    """``x ← x + Σ_s D_s``, a few rows at a time: each sum waits for the one before."""
    noinline()
    rows = D.shape[0]
    together = rows - rows % 4
    for s in range(0, together, 4):
        d0, d1, d2, d3 = D[s], D[s + 1], D[s + 2], D[s + 3]
        for i in range(x.size):
            x[i] += (d0[i] + d1[i]) + (d2[i] + d3[i])
    for s in range(together, rows):
        add(x, cast(1, x), D[s])


@inner
def matrix_vector(W: Any, x: Any, z: Any) -> None:
    """``z ← W x``. Rows of W may be longer than x."""
    noinline()
    for k in range(z.size):
        weights = W[k]
        total = cast(0, z)
        for i in range(x.size):
            total += weights[i] * x[i]
        z[k] = total


@inner
def vector_matrix(d: Any, W: Any, e: Any) -> None:
    """``e ← Wᵀ d``."""
    noinline()
    fill(e, cast(0, e))
    for k in range(d.size):
        add(e, d[k], W[k])


@inner
def outer_update(step: Any, W: Any, V: Any, D: Any, A: Any) -> None:
    """A :class:`LinearStep` of W, whose momentum is V, along ``Σ_s δ_s a_sᵀ``; D and A hold an example per row."""
    noinline()
    target = V if step.momentum else W
    for k in range(W.shape[0]):
        t = target[k]
        for i in range(t.size):
            t[i] *= step.keep
        for s in range(D.shape[0]):
            add(t, step.factor * D[s][k], A[s])
        if step.momentum:
            follow(step, W[k], t)


@inner
def bias_update(step: Any, b: Any, v: Any, D: Any) -> None:
    """A :class:`LinearStep` of b, whose momentum is v, along ``Σ_s δ_s``."""
    noinline()
    target = v if step.momentum else b
    for i in range(b.size):
        total = cast(0, b)
        for s in range(D.shape[0]):
            total += D[s][i]
        target[i] = step.keep * target[i] + step.factor * total
    if step.momentum:
        follow(step, b, v)


@inner
def scale_rows(E: Any, D: Any, factors: Any) -> None:
    """``E_s ← factors_s · D_s``."""
    noinline()
    for s in range(E.shape[0]):
        e, d = E[s], D[s]
        factor = cast(factors[s], e)
        for i in range(e.size):
            e[i] = factor * d[i]
