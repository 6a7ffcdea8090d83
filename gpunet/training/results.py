"""What a network predicts beside its targets, the way that scikit-learn writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Results(NamedTuple):
    """Targets and predictions of m examples, on the host.

    Attributes
    ----------
    kind : {"classes", "labels", "values"}
        Exclusive classes, several labels at once, or real targets.
    y_true, y_pred : array
        Class numbers ``(m,)``; labels ``(m, k)`` of 0 and 1; values ``(m,)`` or ``(m, k)`` in their own unit.
    outputs : array, ``(m, n[L])``
        Of the last layer; values in their own unit.
    probabilities : array, ``(m, k)`` or None
        Of each class, or of each label; None for values.
    """

    kind: str
    y_true: NDArray[Any]
    y_pred: NDArray[Any]
    outputs: NDArray[Any]
    probabilities: NDArray[Any] | None

    @property
    def score(self) -> NDArray[Any] | None:
        """What scikit-learn calls ``y_score``: of two classes, the probability of the second."""
        two = self.kind == "classes" and self.probabilities is not None and self.probabilities.shape[1] == 2
        return self.probabilities[:, 1] if two and self.probabilities is not None else self.probabilities


def results_of(
    Y: NDArray[Any],
    A: NDArray[Any],
    kind: str,
    activation: Any,
    in_own_unit: Callable[[NDArray[Any]], NDArray[Any]],
) -> Results:
    """What a network's outputs say, the way that scikit-learn writes it.

    Parameters
    ----------
    Y, A : array, ``(m, n[L])``
        Targets and outputs, as rows.
    kind : {"classes", "labels", "values"}
        Of the targets; see :class:`gpunet.inputs.targets.Targets`.
    activation : str or Activation
        Of the last layer: softmax's outputs are divided by their sum in float64, of which they miss a few roundings.
    in_own_unit : callable
        From values as the network is trained on them to those of the user.
    """
    if kind == "values":
        # Copies: a metric may write into what it is given.
        true, predicted = (_flat(np.array(in_own_unit(rows), dtype=np.float64)) for rows in (Y, A))
        return Results(kind, true, predicted, predicted.reshape(A.shape), None)
    P = A.astype(np.float64)
    if kind == "classes":
        if activation == "softmax":
            P /= P.sum(axis=1, keepdims=True)
        return Results(kind, Y.argmax(axis=1), A.argmax(axis=1), A, P)
    true, predicted = ((rows > 0.5).astype(np.int64) for rows in (Y, A))
    if A.shape[1] > 1:
        return Results(kind, true, predicted, A, P)
    return Results("classes", true[:, 0], predicted[:, 0], A, np.concatenate([1.0 - P, P], axis=1))


def _flat(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of one column as ``(m,)``, as scikit-learn writes them."""
    return rows.reshape(-1) if rows.ndim == 2 and rows.shape[1] == 1 else rows
