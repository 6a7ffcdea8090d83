"""All of scikit-learn's own checks of an estimator, for every solver; none is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@parametrize_with_checks(
    [MLPClassifier(), MLPClassifier(solver="lbfgs"), MLPRegressor(), MLPRegressor(solver="sgd")]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
