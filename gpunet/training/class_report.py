"""Which classes are taken for which: confusion matrix, and each class's precision and recall."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet import plots
from gpunet.training.class_table import class_table
from gpunet.training.results import Results


@dataclass(frozen=True, eq=False)
class ClassReport:
    """How often each class is right; ``print`` shows it as a table, ``plot()`` as a picture.

    Attributes
    ----------
    names : tuple of str
        Of the k classes, or labels.
    matrix : int array ``(k, k)`` or None
        Examples of true class (row) and predicted class (column). None for several labels at once.
    right, predicted, actual : int array, ``(k,)``
        Examples of each class that were predicted as such; that were predicted as such, rightly or not; that there are.
    """

    names: tuple[str, ...]
    matrix: NDArray[np.int64] | None
    right: NDArray[np.int64]
    predicted: NDArray[np.int64]
    actual: NDArray[np.int64]

    @property
    def precision(self) -> NDArray[np.float64]:
        """Of those predicted as a class, the fraction that is; NaN for a class that was not predicted."""
        return _fraction(self.right, self.predicted)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Of those in a class, the fraction predicted as such; NaN for a class without examples."""
        return _fraction(self.right, self.actual)

    def plot(self, path: str | Path | None = None) -> Any:
        """The confusion matrix as a matplotlib figure; see :func:`gpunet.plots.confusion`.

        Raises
        ------
        ValueError
            For several labels at once, which have no confusion matrix.
        """
        if self.matrix is None:
            raise ValueError("several labels at once have no confusion matrix")
        return plots.confusion(self.matrix, self.names, path)

    def text(self, width: int = 80) -> str:
        """The table, at most `width` characters wide; the matrix is left out where it is too wide."""
        return class_table(
            *(self.names, self.matrix, self.actual, self.precision, self.recall),
            width=width,
        )

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """What notebooks show."""
        return f"<pre>{escape(self.text())}</pre>"


def _fraction(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def class_report(given: Results, names: tuple[str, ...] | None) -> ClassReport:
    """The report of some predictions.

    Raises
    ------
    ValueError
        For real targets, and where the names are not as many as the classes.
    """
    if given.probabilities is None:
        raise ValueError("real targets have no classes: evaluate with metrics such as 'r2' instead")
    k = given.probabilities.shape[1]
    if names is None:
        names = tuple(map(str, range(k)))
    if len(names) != k:
        raise ValueError(f"there are {k} classes, got {len(names)} names")
    true, predicted = given.y_true, given.y_pred
    if given.kind == "labels":
        right = (true * predicted).sum(axis=0)
        return ClassReport(names, None, right, predicted.sum(axis=0), true.sum(axis=0))
    matrix = np.bincount(k * true + predicted, minlength=k * k).reshape(k, k)
    return ClassReport(names, matrix, matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1))
