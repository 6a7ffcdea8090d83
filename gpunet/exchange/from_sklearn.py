"""A fitted scikit-learn network as one of gpunet's."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.activations import ActivationLike
from gpunet.core.layers import Dense
from gpunet.core.output import loss_for
from gpunet.core.poisson import EXP, POISSON
from gpunet.exchange.targets import target_of_classes
from gpunet.files.saved_network import SavedNetwork
from gpunet.inputs.standardizer import Standardizer
from gpunet.tables import Target

_ACTIVATIONS: dict[str, ActivationLike] = {
    "identity": "identity",
    "logistic": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
    "softmax": "softmax",
    "exp": EXP,
}
_TAKEN = "from_sklearn takes a fitted MLPClassifier or MLPRegressor, or a Pipeline of a StandardScaler and one of them"


def from_estimator(estimator: Any, seed: int | None) -> SavedNetwork:
    """What a fitted estimator says of a network; see :func:`gpunet.from_sklearn`."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted

    scaler = None
    mlp = estimator
    if isinstance(estimator, Pipeline):
        scaler, mlp = _steps(estimator)
    if hasattr(mlp, "to_network"):
        raise TypeError(
            f"this {type(mlp).__name__} is one of gpunet.estimators: its to_network() gives the network"
        )
    if not isinstance(mlp, MLPClassifier | MLPRegressor):
        raise TypeError(f"{_TAKEN}; got {type(mlp).__name__}")
    check_is_fitted(mlp)
    activations = [*[mlp.activation] * (len(mlp.coefs_) - 1), mlp.out_activation_]
    pairs = [(W.T, b[:, None]) for W, b in zip(mlp.coefs_, mlp.intercepts_, strict=True)]
    layers = [
        Dense(len(b), _ACTIVATIONS[activation]) for (_, b), activation in zip(pairs, activations, strict=True)
    ]
    return SavedNetwork(
        [*layers],
        POISSON if layers[-1].activation == EXP else loss_for(layers[-1], None),
        mlp.n_features_in_,
        seed,
        pairs[0][0].dtype.name,
        None if scaler is None else _standardizer(scaler),
        pairs,
        epochs_trained=0,
        notes={},
        target=_target(mlp),
        columns=_columns(estimator),
    )


def _steps(pipeline: Any) -> tuple[Any, Any]:
    """The scaler, or None, and the network of a pipeline."""
    from sklearn.preprocessing import StandardScaler

    steps = [step for _, step in pipeline.steps if step not in (None, "passthrough")]
    if not steps:
        raise TypeError(f"{_TAKEN}; this Pipeline has no step that does anything")
    *before, mlp = steps
    for step in before:
        if not isinstance(step, StandardScaler) or len(before) > 1:
            raise ValueError(
                f"{_TAKEN}; this Pipeline has {', '.join(type(step).__name__ for step in before)} before it"
            )
    return (before[0] if before else None), mlp


def _standardizer(scaler: Any) -> Standardizer:
    """A StandardScaler's mean and deviation; it may lack either."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(scaler)
    n = scaler.n_features_in_
    standardizer = Standardizer(center=scaler.with_mean)
    standardizer.mean = np.array(scaler.mean_, "float64") if scaler.with_mean else np.zeros(n)
    standardizer.deviation = np.array(scaler.scale_, "float64") if scaler.with_std else np.ones(n)
    return standardizer


def _target(mlp: Any) -> Target | None:
    """The classes by name; None for values, and for labels that are true independently of each other."""
    names = getattr(mlp, "classes_", None)
    outputs = len(mlp.intercepts_[-1])
    if names is None or (mlp.out_activation_ == "logistic" and outputs > 1):
        return None
    return target_of_classes(names.tolist())


def _columns(estimator: Any) -> tuple[str, ...] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))
