"""Metrics of a network's predictions: scikit-learn's by name, and functions of the user's own.

scikit-learn's scorers say themselves whether they need predictions or probabilities; they are called on an estimator
whose answers have been computed already. scikit-learn is imported when a name is used.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.errors import UndefinedMetric, warn
from gpunet.installation import install_command
from gpunet.training.results import Results

MEASURED = ("loss", "accuracy")  # always, and without scikit-learn

# What scikit-learn's functions call their second argument where they need more than predictions.
SCORES = ("y_score", "y_proba", "y_prob")


# What other libraries and people call them.
ELSEWHERE = {
    "acc": "accuracy",
    "auc": "roc_auc",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mcc": "matthews_corrcoef",
}


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


def rescaled(metrics: Any, in_own_unit: Callable[[NDArray[Any]], NDArray[Any]]) -> list[Metric]:
    """Metrics of values that are standardised outside of the network, computed in their own unit."""

    def in_unit(metric: Metric) -> Metric:
        def compute(given: Results) -> Any:
            true, predicted = in_own_unit(given.y_true), in_own_unit(given.y_pred)
            outputs = predicted.reshape(given.outputs.shape)
            return metric.compute(given._replace(y_true=true, y_pred=predicted, outputs=outputs))

        return metric._replace(compute=compute)

    return [in_unit(metric) for metric in Metrics(metrics).metrics]


def _metric(name: str | None, metric: Any) -> Metric:
    if isinstance(metric, Metric):
        return metric
    if name is not None and not isinstance(name, str):
        raise TypeError(f"the name of a metric must be a str, got {name!r}")
    if isinstance(metric, str):
        return _named(name or metric, metric)
    if isinstance(metric, type) or not callable(metric):
        raise TypeError(
            f"a metric must be a name of scikit-learn's or a function (y_true, y_pred), got {metric!r}"
        )
    inner = metric.func if isinstance(metric, functools.partial) else metric
    name = name or str(getattr(inner, "__name__", type(inner).__name__))
    if name == "<lambda>" or name.startswith("_"):
        raise ValueError(f"a metric has no name, {metric!r}: give it one, metrics={{'name': …}}")
    return _own(name, metric)


def _own(name: str, function: Callable[..., Any]) -> Metric:
    """A function of the user's own; what its second parameter is called says what it gets."""
    second = _second_parameter(function)
    if second == "X":  # a scorer of scikit-learn's make_scorer
        return Metric(name, lambda given: function(_estimator(given), None, given.y_true), True, False)
    if second in SCORES:
        return Metric(name, lambda given: function(given.y_true, given.score), None, False)
    if second == "outputs":
        return Metric(name, lambda given: function(given.y_true, given.outputs), None, False)
    return Metric(name, lambda given: function(given.y_true, given.y_pred), None, False)


def _second_parameter(function: Callable[..., Any]) -> str:
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # written in C
        return ""
    return parameters[1] if len(parameters) > 1 else ""


def _named(name: str, scorer_name: str) -> Metric:
    """A scorer of scikit-learn's; ``neg_`` may be left out, then the sign is turned."""
    metrics = _sklearn_metrics()
    known = metrics.get_scorer_names()
    if scorer_name in known:
        return Metric(name, lambda given: _score(scorer_name, given), True, True)
    if f"neg_{scorer_name}" in known:
        return Metric(name, lambda given: -_score(f"neg_{scorer_name}", given), False, True)
    every = [*known, *(one.removeprefix("neg_") for one in known), *MEASURED]
    lower = scorer_name.lower()
    near = [ELSEWHERE[lower]] if lower in ELSEWHERE else difflib.get_close_matches(lower, sorted(set(every)))
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"unknown metric {scorer_name!r}.{hint} Metrics have the names of scikit-learn's scorers, with or without "
        "neg_, such as f1, f1_macro, roc_auc, r2, mean_absolute_error; "
        "sklearn.metrics.get_scorer_names() lists them."
    )


def _score(scorer_name: str, given: Results) -> float:
    if given.kind != "values" and scorer_name in names_for_values():
        raise ValueError("it is for real targets, these are classes")
    return float(_sklearn_metrics().get_scorer(scorer_name)(_estimator(given), None, given.y_true))


@functools.cache
def names_for_values() -> frozenset[str]:
    """scikit-learn's scorers of real targets: those that take numbers with fractions."""
    values = np.array([1.5, 2.25, 3.75])
    given = Results("values", values, values, values[:, None], None)
    return frozenset(_usable(given))


def _usable(given: Results) -> list[str]:
    """The scorers that can be computed for such targets."""
    usable = []
    for name in _sklearn_metrics().get_scorer_names():
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # "expects discrete values"
            try:
                _score(name, given)
            except Exception:
                continue
        usable.append(name)
    return usable


def _compute(metric: Metric, given: Results) -> float:
    try:
        return float(metric.compute(given))
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(".")
        hint = _names_instead(metric.name, given) if metric.named else ""
        raise ValueError(f"metric {metric.name!r} failed: {reason}{hint}") from error


def _names_instead(name: str, given: Results) -> str:
    """The names that can be computed for such targets, those that begin alike first."""
    usable = _usable(given)
    alike = [other for other in usable if other.startswith(f"{name}_")]
    return f". For these targets there are: {', '.join(alike or usable)}" if usable else ""


def _sklearn_metrics() -> Any:
    if importlib.util.find_spec("sklearn") is None:
        raise ImportError(
            "metrics by name are scikit-learn's, which is not installed; install it with: "
            f"{install_command('sklearn')}"
        )
    import sklearn.metrics

    return sklearn.metrics


@functools.cache
def _answering() -> tuple[Any, Any]:
    """A classifier and a regressor whose answers are given to them."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def __init__(self, given: Results) -> None:
            self.given = given
            two = np.arange(2)
            assert given.probabilities is not None
            k = given.probabilities.shape[1]
            self.classes_: Sequence[Any] = [two] * k if given.kind == "labels" else np.arange(k)  # type: ignore[assignment]

        def predict(self, X: None) -> Any:
            return self.given.y_pred

        def predict_proba(self, X: None) -> Any:
            return self.given.probabilities

    class Regressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
        def __init__(self, given: Results) -> None:
            self.given = given

        def predict(self, X: None) -> Any:
            return self.given.y_pred

    return Classifier, Regressor


def _estimator(given: Results) -> Any:
    """What scikit-learn's scorers take, with these answers."""
    classifier, regressor = _answering()
    return regressor(given) if given.kind == "values" else classifier(given)
