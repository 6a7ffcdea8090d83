"""What a metric is: a name, and a function of a network's predictions beside their targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gpunet.training.results import Results

MEASURED = ("loss", "accuracy")  # always, and without scikit-learn


class Metric(NamedTuple):
    """One metric.

    Attributes
    ----------
    name : str
    compute : callable
        From :class:`Results` to a number.
    higher_is_better : bool or None
        None where that is not known.
    named : bool
        Whether it is scikit-learn's, found by its name.
    """

    name: str
    compute: Callable[[Results], Any]
    higher_is_better: bool | None
    named: bool
