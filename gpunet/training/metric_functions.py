"""Metrics that are functions of the user's own, or scorers made of such."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from gpunet.training.metric import Metric
from gpunet.training.scorers import answering_estimator

# What scikit-learn's functions call their second argument where they need more than predictions.
SCORES = ("y_score", "y_proba", "y_prob")


def metric_function(name: str | None, function: Callable[..., Any]) -> Metric:
    """The metric that a function computes; what its second parameter is called says what it gets.

    Parameters
    ----------
    name : str or None
        None for the function's own.
    function : callable
        ``(y_true, y_pred)``, ``(y_true, y_score)``, ``(y_true, outputs)``, or what ``make_scorer`` makes.

    Raises
    ------
    ValueError
        If it has no name.
    """
    inner = function.func if isinstance(function, functools.partial) else function
    name = name or str(getattr(inner, "__name__", type(inner).__name__))
    if name == "<lambda>" or name.startswith("_"):
        raise ValueError(f"a metric has no name, {function!r}: give it one, metrics={{'name': …}}")
    second = _second_parameter(function)
    if second == "X":  # a scorer of scikit-learn's make_scorer
        return Metric(
            name, lambda given: function(answering_estimator(given), None, given.y_true), True, False
        )
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
