"""The metrics of a run: scikit-learn's by name, and functions of the user's own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from gpunet.errors import UndefinedMetric, warn
from gpunet.training.metric import MEASURED, Metric
from gpunet.training.metric_functions import metric_function
from gpunet.training.results import Results
from gpunet.training.scorers import scorer, usable_scorers


class Metrics:
    """The metrics of a run, or of one evaluation.

    Parameters
    ----------
    metrics : str, callable, a sequence of them, or a dict of names to them
        As ``Network.fit`` takes them. Without "loss" and "accuracy", which are measured anyway.

    Raises
    ------
    ValueError, TypeError
        For unknown names, two metrics with one name, and what is no metric.
    ImportError
        For a name, if scikit-learn is not installed.
    """

    def __init__(self, metrics: Any = ()) -> None:
        self.metrics: list[Metric] = []
        self._wants_accuracy = False
        for name, metric in _pairs(metrics):
            if isinstance(metric, str) and metric in MEASURED and name in (None, metric):
                self._wants_accuracy |= metric == "accuracy"
                continue
            made = _metric(name, metric)
            if made.name in self.directions or made.name in MEASURED:
                raise ValueError(
                    f"two metrics have the name {made.name!r}: give them names, metrics={{'name': metric, …}}"
                )
            self.metrics.append(made)
        self._warned: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.metrics)

    @property
    def directions(self) -> dict[str, bool | None]:
        """Whether higher is better, by name; None where that is not known."""
        return {metric.name: metric.higher_is_better for metric in self.metrics}

    def require_accuracy(self, kind: str) -> None:
        """Raise a ValueError if the accuracy is asked for, and targets of this kind have none."""
        if self._wants_accuracy and kind == "values":
            raise ValueError("real targets have no accuracy: use metrics such as 'r2', 'mean_absolute_error'")

    def require_computable(self, given: Results) -> None:
        """Raise a ValueError for a name that these targets have no such metric for; `given` are perfect predictions.

        Functions of the user's own are not called.
        """
        for metric in self.metrics:
            if metric.named:
                with warnings.catch_warnings(action="ignore"):
                    _compute(metric, given)

    def __call__(self, given: Results) -> dict[str, float]:
        """The value of each metric, by name. One that is not defined is NaN: that is warned of once.

        Raises
        ------
        ValueError
            Naming the metric, if one raises anything or gives no number.
        """
        values = {}
        for metric in self.metrics:
            if metric.named:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    value = _compute(metric, given)
            else:
                caught, value = [], _compute(metric, given)
            if math.isnan(value) and metric.name not in self._warned:
                self._warned.add(metric.name)
                reason = str(caught[0].message) if caught else "its value is not a number"
                warn(f"metric {metric.name!r}: {' '.join(reason.split())}", UndefinedMetric)
            values[metric.name] = value
        return values


def _pairs(metrics: Any) -> list[tuple[str | None, Any]]:
    """Names, None where they are the metrics' own, and metrics."""
    if isinstance(metrics, Mapping):
        return list(metrics.items())
    if isinstance(metrics, str) or callable(metrics):
        return [(None, metrics)]
    if not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be a list of names and functions, got {metrics!r}")
    return [(None, metric) for metric in metrics]


def _metric(name: str | None, metric: Any) -> Metric:
    """One metric of what the user gave; None for its own name."""
    if isinstance(metric, Metric):
        return metric
    if name is not None and not isinstance(name, str):
        raise TypeError(f"the name of a metric must be a str, got {name!r}")
    if isinstance(metric, str):
        return scorer(name or metric, metric)
    if isinstance(metric, type) or not callable(metric):
        raise TypeError(
            f"a metric must be a name of scikit-learn's or a function (y_true, y_pred), got {metric!r}"
        )
    return metric_function(name, metric)


def _compute(metric: Metric, given: Results) -> float:
    try:
        return float(metric.compute(given))
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(".")
        hint = _names_instead(metric.name, given) if metric.named else ""
        raise ValueError(f"metric {metric.name!r} failed: {reason}{hint}") from error


def _names_instead(name: str, given: Results) -> str:
    """The names that can be computed for such targets, those that begin alike first."""
    usable = usable_scorers(given)
    alike = [other for other in usable if other.startswith(f"{name}_")]
    return f". For these targets there are: {', '.join(alike or usable)}" if usable else ""


def rescaled(metrics: Any, in_own_unit: Callable[[NDArray[Any]], NDArray[Any]]) -> list[Metric]:
    """Metrics of values that are standardised outside of the network, computed in their own unit."""

    def in_unit(metric: Metric) -> Metric:
        def compute(given: Results) -> Any:
            true, predicted = in_own_unit(given.y_true), in_own_unit(given.y_pred)
            outputs = predicted.reshape(given.outputs.shape)
            return metric.compute(given._replace(y_true=true, y_pred=predicted, outputs=outputs))

        return metric._replace(compute=compute)

    return [in_unit(metric) for metric in Metrics(metrics).metrics]
