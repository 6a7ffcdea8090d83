"""How often a network is right."""

from __future__ import annotations

from typing import Any

Array = Any


def accuracy(xp: Any, A: Array, Y: Array, kind: str) -> float:
    """Fraction of right answers, for columns A and Y ``(n[L], m)``.

    Parameters
    ----------
    xp : Array API namespace
    A, Y : array, ``(n[L], m)``
    kind : {"classes", "labels"}
        ``classes``: the largest output must be the true class; ``labels``: each output must lie on the true
        side of ½.
    """
    if kind == "classes":
        right = xp.argmax(A, axis=0) == xp.argmax(Y, axis=0)
    else:
        right = (A > 0.5) == (Y > 0.5)
    return float(xp.mean(xp.astype(right, A.dtype)))
