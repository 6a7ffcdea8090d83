"""Data of all kinds, and scikit-learn's own estimators to compare with."""

import numpy as np
from sklearn import __version__ as SKLEARN
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.utils.fixes import parse_version

from gpunet.estimators import MLPClassifier, MLPRegressor

PAIRS = {"classifier": (MLPClassifier, SklearnClassifier), "regressor": (MLPRegressor, SklearnRegressor)}
BEFORE_1_9 = parse_version(SKLEARN) < parse_version("1.9")
ROWS = 130
FAST = {  # a short fit of any solver, for tests of what goes in and comes out
    "hidden_layer_sizes": (8,),
    "random_state": 0,
    "learning_rate_init": 0.02,
    "max_iter": 4,
    "batch_size": 30,
    "alpha": 0.1,
}
TWO_HIDDEN = {
    "hidden_layer_sizes": (8, 5),
    "random_state": 0,
    "learning_rate_init": 0.02,
    "max_iter": 4,
    "batch_size": 40,
}
SOLVERS = [
    {"solver": "adam"},
    {"solver": "sgd", "shuffle": False},
    {"solver": "lbfgs"},
    {"early_stopping": True},
]
TARGETS = [(MLPClassifier, "classes"), (MLPClassifier, "labels"), (MLPRegressor, "values")]


def rows(seed=1):
    """X ``(130, 7)``."""
    return np.random.default_rng(seed).normal(0.5, 1.0, (ROWS, 7))


def target(kind, X, seed=3):
    """Targets of a kind that X says something about."""
    rng = np.random.default_rng(seed)
    scores = X @ rng.standard_normal((X.shape[1], 3)) + 0.1 * rng.standard_normal((len(X), 3))
    return {
        "binary": lambda: (scores[:, 0] > 0).astype(int),
        "classes": lambda: scores.argmax(axis=1),
        "words": lambda: np.array(["red", "green", "blue"])[scores.argmax(axis=1)],
        "labels": lambda: (scores > 0).astype(int),
        "value": lambda: scores[:, 0],
        "values": lambda: scores,
        "counts": lambda: rng.poisson(np.exp(0.3 * scores[:, 0])),
    }[kind]()


KINDS = {"classifier": ["binary", "classes", "words", "labels"], "regressor": ["value", "values"]}
EVERY = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]


def early_stopping_parts(shapes, seed=0, fraction=0.1, strata=None):
    """Rows for training and for validation, as scikit-learn draws them after initial weights of these shapes."""
    state = np.random.RandomState(seed)
    for inputs, units in shapes:
        state.uniform(size=(inputs, units))
        state.uniform(size=units)
    return train_test_split(np.arange(ROWS), random_state=state, test_size=fraction, stratify=strata)


def weights_of(model):
    """All weight matrices in one row."""
    return np.concatenate([c.ravel() for c in model.coefs_])
