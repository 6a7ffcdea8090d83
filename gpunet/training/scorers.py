"""scikit-learn's scorers by name.

A scorer says itself whether it needs predictions or probabilities; it is called on an estimator whose answers have
been computed already. scikit-learn is imported when a name is used.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.installation import install_command
from gpunet.training.metric import MEASURED, Metric
from gpunet.training.results import Results

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


def scorer(name: str, scorer_name: str) -> Metric:
    """The metric that is one of scikit-learn's scorers; ``neg_`` may be left out, then the sign is turned.

    Raises
    ------
    ValueError
        If there is no such scorer.
    ImportError
        If scikit-learn is not installed.
    """
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
    return float(_sklearn_metrics().get_scorer(scorer_name)(answering_estimator(given), None, given.y_true))


@functools.cache
def names_for_values() -> frozenset[str]:
    """scikit-learn's scorers of real targets: those that take numbers with fractions."""
    values = np.array([1.5, 2.25, 3.75])
    given = Results("values", values, values, values[:, None], None)
    return frozenset(usable_scorers(given))


def usable_scorers(given: Results) -> list[str]:
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


def _sklearn_metrics() -> Any:
    if importlib.util.find_spec("sklearn") is None:
        raise ImportError(
            "metrics by name are scikit-learn's, which is not installed; install it with: "
            f"{install_command('sklearn')}"
        )
    import sklearn.metrics

    return sklearn.metrics


def answering_estimator(given: Results) -> Any:
    """What scikit-learn's scorers take, with these answers."""
    classifier, regressor = _answering()
    return regressor(given) if given.kind == "values" else classifier(given)


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
