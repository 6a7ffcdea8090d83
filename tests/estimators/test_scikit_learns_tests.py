"""scikit-learn's own tests of its networks, taken from the installed package, on gpunet's estimators."""

from pathlib import Path

import pytest
import sklearn.neural_network

import gpunet.estimators

PATH = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
LEFT_OUT = {
    "test_gradient": "it calls scikit-learn's private _loss_grad_lbfgs; test_lbfgs.py checks the gradient",
}
pytestmark = [
    pytest.mark.slow,
    # As in scikit-learn's own settings: its tests do not wait for convergence.
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def functions_of(path):
    """The test functions of a module, with gpunet's estimators in the place of scikit-learn's."""
    text = path.read_text(encoding="utf-8")
    assert text.count(IMPORT) == 1
    text = text.replace(IMPORT, f"from {gpunet.estimators.__name__} import MLPClassifier, MLPRegressor")
    namespace = {"__name__": "sklearn.neural_network.tests.test_mlp"}
    exec(compile(text, str(path), "exec"), namespace)
    return {name: value for name, value in namespace.items() if name.startswith("test_")}


@pytest.fixture
def global_random_seed():
    """What scikit-learn's settings define."""
    return 42


FOUND = functions_of(PATH) if PATH.exists() else {}
globals().update({name: value for name, value in FOUND.items() if name not in LEFT_OUT})


def test_they_were_found():
    if not PATH.exists():
        pytest.skip("this build of scikit-learn has no tests")
    assert set(LEFT_OUT) < set(FOUND)
    assert len(FOUND) > 30
