"""The range of every parameter, checked when ``fit`` is called, as scikit-learn does; its messages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.activations import ACTIVATIONS, Activation
from gpunet.inputs.standardizer import Standardizer
from gpunet.tables import TableEncoder


class Allowed(NamedTuple):
    """Values that a parameter may have: a test, and what a message says they are."""

    holds: Callable[[Any], bool]
    text: str


def interval(low: float, high: float = math.inf, *, kind: Any = Real, closed: str = "left") -> Allowed:
    """Numbers between `low` and `high`; `closed` says which ends belong to it: left, both or neither."""
    left, right = closed in ("left", "both"), closed == "both"

    def holds(value: Any) -> bool:
        if not isinstance(value, kind):
            return False
        above = value >= low if left else value > low
        return bool(above and (value <= high if right else value < high))

    name, write = ("an int", int) if kind is Integral else ("a float", float)
    ends = [str(write(end)) if math.isfinite(end) else str(end) for end in (low, high)]
    return Allowed(
        holds, f"{name} in the range {'[' if left else '('}{ends[0]}, {ends[1]}{']' if right else ')'}"
    )


def names(options: Iterable[str]) -> Allowed:
    """One of some names."""
    options = list(options)
    listed = ", ".join(repr(one) for one in sorted(options))
    return Allowed(lambda value: isinstance(value, str) and value in options, f"a str among {{{listed}}}")


def instance(kind: Any, text: str) -> Allowed:
    """An object of a class."""
    return Allowed(lambda value: isinstance(value, kind), text)


def sequence_of(one: Allowed, text: str) -> Allowed:
    """A list, a tuple or an array of values that are each allowed."""

    def holds(value: Any) -> bool:
        listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
        return listed and all(one.holds(item) for item in value)

    return Allowed(holds, text)


def _same(value: Any) -> Allowed:
    return Allowed(lambda given: given is value, str(value))


NONE = _same(None)
BOOLEAN = Allowed(
    lambda value: isinstance(value, bool | np.bool_),
    f"an instance of 'bool' or an instance of 'numpy.{np.bool_.__name__}'",
)
RANDOM = Allowed(
    lambda value: (
        value is None
        or isinstance(value, np.random.RandomState)
        or interval(0, 2**32 - 1, kind=Integral, closed="both").holds(value)
    ),
    "an int in the range [0, 4294967295], an instance of 'numpy.random.RandomState' or None",
)
COUNT = interval(1, kind=Integral)
# scikit-learn's names first; a layer may have any of gpunet's too.
ACTIVATION_NAMES = {"logistic": "sigmoid", **{name: name for name in ACTIVATIONS if name != "softmax"}}
ONE_ACTIVATION = [names(ACTIVATION_NAMES), instance(Activation, "an Activation")]
ONE_RATE = interval(0, 1)


def _any_of(allowed: list[Allowed]) -> Allowed:
    return Allowed(lambda value: any(one.holds(value) for one in allowed), "")


# Of both estimators; those of one alone are beside its class.
CONSTRAINTS: Mapping[str, list[Allowed]] = {
    "hidden_layer_sizes": [
        Allowed(lambda value: isinstance(value, Iterable) and not isinstance(value, str), "an array-like"),
        COUNT,
    ],
    "activation": [
        *ONE_ACTIVATION,
        sequence_of(_any_of(ONE_ACTIVATION), "a sequence of those, one for each hidden layer"),
    ],
    "solver": [names(("adam", "lbfgs", "sgd"))],
    "alpha": [interval(0)],
    "batch_size": [names(("auto",)), COUNT],
    "learning_rate": [names(("constant", "invscaling", "adaptive"))],
    "learning_rate_init": [interval(0, closed="neither")],
    "power_t": [interval(0)],
    "max_iter": [COUNT],
    "shuffle": [BOOLEAN],
    "random_state": [RANDOM],
    "tol": [interval(0)],
    "verbose": [interval(0, kind=Integral), BOOLEAN],
    "warm_start": [BOOLEAN],
    "momentum": [interval(0, 1, closed="both")],
    "nesterovs_momentum": [BOOLEAN],
    "early_stopping": [BOOLEAN],
    "validation_fraction": [interval(0, 1)],
    "beta_1": [interval(0, 1)],
    "beta_2": [interval(0, 1)],
    "epsilon": [interval(0, closed="neither")],
    "n_iter_no_change": [COUNT, Allowed(lambda value: isinstance(value, Real) and value == math.inf, "inf")],
    "max_fun": [COUNT],
    "dropout": [ONE_RATE, sequence_of(ONE_RATE, "a sequence of those, one for each hidden layer")],
    "standardize": [BOOLEAN, instance(Standardizer, "a Standardizer")],
    "encode": [NONE, names(("auto",)), instance(TableEncoder, "a TableEncoder")],
    "backend": [instance(str, "the name of a backend such as 'numpy'")],
    "dtype": [
        NONE,
        Allowed(lambda value: value in ("float32", "float64", np.float32, np.float64), "a float dtype"),
    ],
    "compile": [NONE, names(("background", "wait", "never"))],
}


def check(estimator: str, parameters: Mapping[str, Any], constraints: Mapping[str, list[Allowed]]) -> None:
    """Check the parameters of an estimator, given by its class's name.

    Raises
    ------
    ValueError
        For the first one outside its range.
    """
    for name, value in parameters.items():
        allowed = constraints.get(name)
        if allowed is None or any(one.holds(value) for one in allowed):
            continue
        texts = [one.text for one in allowed]
        listed = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
        raise ValueError(f"The {name!r} parameter of {estimator} must be {listed}. Got {value!r} instead.")


def layer_sizes(given: Any) -> list[int]:
    """`hidden_layer_sizes` as a list: one number of units, or one for each hidden layer.

    Raises
    ------
    ValueError
        For what is no whole number above 0.
    """
    sizes = np.atleast_1d(np.asarray(given, dtype=object)).tolist()
    if not all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be one integer, or one for each hidden layer, got {given!r}."
        )
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]
