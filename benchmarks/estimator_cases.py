"""Whole calls of `fit` of gpunet's estimators and scikit-learn's, on the same data with the same parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class EstimatorCase:
    """One fit, or one search over fits.

    Attributes
    ----------
    name : str
    rows, features : int
    classes : int
        0 for a regressor.
    dtype : str
        Of X.
    parameters : dict
        Of both estimators, beside their defaults.
    mnist : bool
        MNIST's training images, as many as `rows`, in the place of made-up data.
    search : bool
        ``GridSearchCV(n_jobs=2)`` over four of them.
    """

    name: str
    rows: int
    features: int
    classes: int
    dtype: str = "float64"
    parameters: dict = field(default_factory=dict)
    mnist: bool = False
    search: bool = False

    def data(self, folder):
        """X and y."""
        if self.mnist:
            from benchmarks import datasets

            read = datasets.read(folder, "mnist", self.rows)
            return read.X.astype(self.dtype), read.Y.argmax(axis=1)
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.rows, self.features)).astype(self.dtype)
        scores = np.tanh(X @ rng.standard_normal((self.features, max(self.classes, 1))))
        scores += 0.2 * rng.standard_normal(scores.shape)
        return X, scores.argmax(axis=1) if self.classes else scores[:, 0]


def estimator_cases(quick):
    """Tables from 150 to 10,000 rows, and images."""
    epochs = {"max_iter": 5}
    cases = [
        EstimatorCase("table-150", 150, 4, 3),
        EstimatorCase("table-10000", 10_000, 50, 5, parameters={"max_iter": 20}),
        EstimatorCase("mnist", 60_000, 784, 10, "float32", epochs, mnist=True),
    ]
    longer = {"max_iter": 20}  # scikit-learn's default is 200, or until the loss falls no more
    if quick:
        return cases
    return [
        *cases,
        EstimatorCase("table-150-lbfgs", 150, 4, 3, parameters={"solver": "lbfgs"}),
        EstimatorCase("table-150-values", 150, 4, 0),
        EstimatorCase("table-1000", 1000, 20, 2),
        EstimatorCase("table-1000-early-stopping", 1000, 20, 2, parameters={"early_stopping": True}),
        EstimatorCase(
            "table-10000-early-stopping",
            10_000,
            50,
            5,
            parameters={"max_iter": 20, "early_stopping": True, "n_iter_no_change": 20},
        ),
        EstimatorCase("table-1000-sgd", 1000, 20, 2, parameters={"solver": "sgd"}),
        EstimatorCase("table-10000-values", 10_000, 50, 0, parameters={"max_iter": 20}),
        EstimatorCase("table-10000-lbfgs", 10_000, 50, 5, parameters={"solver": "lbfgs", "max_iter": 50}),
        EstimatorCase("mnist-20-epochs", 60_000, 784, 10, "float32", longer, mnist=True),
        EstimatorCase(
            "mnist-early-stopping",
            60_000,
            784,
            10,
            "float32",
            {**epochs, "early_stopping": True},
            mnist=True,
        ),
        EstimatorCase("mnist-float64", 60_000, 784, 10, parameters=epochs, mnist=True),
        EstimatorCase("mnist-sgd", 60_000, 784, 10, "float32", {**epochs, "solver": "sgd"}, mnist=True),
        EstimatorCase("search", 5000, 100, 5, parameters={"max_iter": 20}, search=True),
    ]
