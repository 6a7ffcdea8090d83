"""All of scikit-learn's own checks of an estimator, for every solver; none is expected to fail."""

import itertools

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
SOLVERS = ("adam", "sgd", "lbfgs")


@parametrize_with_checks(
    [one(solver=solver) for one, solver in itertools.product([MLPClassifier, MLPRegressor], SOLVERS)]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
