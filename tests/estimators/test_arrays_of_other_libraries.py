"""Arrays of other libraries as X and y: results stay in their library, and equal those of NumPy."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gpunet as gn
from estimator_data import FAST, ROWS, SOLVERS, TARGETS, early_stopping_parts, rows, target
from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()


@pytest.mark.parametrize("settings", SOLVERS, ids=str)
@pytest.mark.parametrize(("one", "kind"), TARGETS)
def test_arrays_stay_in_their_library(library, one, kind, settings):
    if library.name == "jax" and (SOLVERS.index(settings) - TARGETS.index((one, kind))) % 3:
        pytest.skip("compiling takes most of the time; each solver and each kind of targets in turn will do")
    y = target(kind, X)

    def there(array):
        return library.from_host(np.ascontiguousarray(array), library.devices()[0])

    settings = {**FAST, **settings}
    expected = one(**settings).fit(X, y)
    model = one(**settings).fit(there(X), there(y), there(np.ones(ROWS)))
    for array in (*model.coefs_, *model.intercepts_, model.predict(there(X))):
        assert library.owns(array)
    assert_allclose(library.to_host(model.coefs_[0]), expected.coefs_[0], rtol=1e-6, atol=1e-8)
    assert_allclose(library.to_host(model.predict(there(X))), expected.predict(X), rtol=1e-5, atol=1e-7)
    assert isinstance(model.predict(X), np.ndarray)
    if one is MLPClassifier:
        for method in ("predict_proba", "predict_log_proba"):
            found = getattr(model, method)(there(X))
            assert library.owns(found)
            assert_allclose(library.to_host(found), getattr(expected, method)(X), rtol=1e-4, atol=1e-6)
    assert model.score(there(X), there(y)) == pytest.approx(expected.score(X, y), rel=1e-6)
    with pytest.raises(ValueError, match=r"X has 5 features, but MLP.* is expecting 7 features as input"):
        model.predict(there(X[:, :5]))


def test_words_beside_an_array_of_another_library(library):
    words = target("words", X)
    features = library.from_host(X, library.devices()[0])
    model = MLPClassifier(**FAST).fit(features, words)
    assert isinstance(model.predict(features), np.ndarray)
    assert set(model.predict(features)) <= {"red", "green", "blue"}


def test_further_steps_in_another_library(library):
    y = target("binary", X)
    features = library.from_host(X, library.devices()[0])
    mixed, plain = (MLPRegressor(**FAST) for _ in range(2))
    for one in (X, features, X):
        mixed.partial_fit(one, y)
        plain.partial_fit(X, y)
    assert_allclose(mixed.coefs_[0], plain.coefs_[0], rtol=1e-7, atol=1e-9)


def test_a_named_backend_gives_numpy_for_numpy():
    pytest.importorskip("torch")
    model = MLPRegressor(**FAST, backend="torch").fit(X, target("value", X))
    assert model.program_ == "reference"
    assert isinstance(model.coefs_[0], np.ndarray) and isinstance(model.predict(X), np.ndarray)
    expected = MLPRegressor(**FAST, backend="numpy").fit(X, target("value", X))
    assert_allclose(model.predict(X), expected.predict(X), rtol=1e-7)


def test_the_environment_names_a_backend(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("GPUNET_BACKEND", "torch")
    seen = []
    MLPRegressor(**FAST, callbacks=lambda network, history: seen.append(history.backend)).fit(
        X, target("value", X)
    )
    assert set(seen) == {"torch"}


DISPATCH = """
import numpy as np, sklearn, torch, warnings
from sklearn.utils.estimator_checks import check_array_api_input_and_values
from gpunet.estimators import MLPClassifier, MLPRegressor
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(60, 4))
X, y = torch.tensor(X), torch.tensor(X[:, 0] > 0)
with sklearn.config_context(array_api_dispatch=True):
    model = MLPClassifier((8,), max_iter=5).fit(X, y)
    print(type(model.predict(X)).__name__, type(model.predict_proba(X)).__name__, 0 <= model.score(X, y) <= 1)
for one in (MLPClassifier, MLPRegressor):
    for library in ("torch", "array_api_strict"):
        check_array_api_input_and_values("it", one(max_iter=20, random_state=0), library, None)
        print(one.__name__, library)
"""


@pytest.mark.slow
def test_scikit_learns_dispatch():
    """Set before SciPy is imported."""
    pytest.importorskip("torch")
    environment = {
        **os.environ,
        "SCIPY_ARRAY_API": "1",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    done = subprocess.run(
        [sys.executable, "-c", DISPATCH], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Tensor Tensor True"
    assert len(lines) == 5


@pytest.mark.parametrize("one", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("library", ["numpy", "readonly"])
def test_the_standardizer_of_early_stopping(library, one):
    """Mean and deviation of the rows that scikit-learn would have trained on."""
    y = target("binary", X)
    given = X if library == "numpy" else gn.get_backend(library).from_host(X, "cpu")
    model = one(**FAST, standardize=True, early_stopping=True, validation_fraction=0.3).fit(given, y)
    strata = y if one is MLPClassifier else None
    training, _ = early_stopping_parts([(7, 8), (8, 1)], fraction=0.3, strata=strata)
    assert len(training) == 91
    assert_allclose(model.standardizer_.mean, X[training].mean(axis=0), rtol=1e-12)
    assert_allclose(model.standardizer_.deviation, X[training].std(axis=0), rtol=1e-12)


def test_one_weight_for_all():
    y = target("value", X)
    a, b = MLPRegressor(**FAST).fit(X, y, 3.0), MLPRegressor(**FAST).fit(X, y, np.full(ROWS, 3.0))
    assert_array_equal(a.coefs_[0], b.coefs_[0])


def test_a_batch_without_weight_teaches_nothing():
    """scikit-learn stops there with ZeroDivisionError."""
    weights = np.ones(ROWS)
    weights[:30] = 0.0
    settings = {**FAST, "shuffle": False, "max_iter": 1, "solver": "sgd", "momentum": 0.0}
    a = MLPRegressor(**settings).fit(X, target("value", X), weights)
    b = MLPRegressor(**settings).fit(X[30:], target("value", X)[30:], weights[30:])
    assert_allclose(a.coefs_[0], b.coefs_[0], rtol=1e-12)


class Own(np.ndarray):
    """An array class of one's own."""


@pytest.mark.parametrize("kind", ["own", "memmap"])
def test_array_classes_on_the_host_are_numpys(kind, tmp_path):
    def there(array):
        if kind == "own":
            return array.view(Own)
        np.save(tmp_path / "array.npy", array)
        return np.load(tmp_path / "array.npy", mmap_mode="r")

    bad = there(np.where(X > 1, np.nan, X))
    for model in (MLPRegressor(**FAST), MLPRegressor(**FAST).fit(X, target("value", X))):
        with pytest.raises(ValueError, match=r"^Input X contains NaN"):
            model.predict(bad) if hasattr(model, "coefs_") else model.fit(bad, target("value", X))
    model = MLPRegressor(**FAST).fit(there(X), target("value", X))
    assert type(model.coefs_[0]) is type(model.predict(there(X))) is np.ndarray


def test_numbers_beside_float32_in_another_library():
    library, large = gn.get_backend("readonly"), np.array(X)
    large[5, 2] = 1e300
    with pytest.raises(ValueError, match=r"^X .*float32.*row 5"):
        MLPRegressor(**FAST, dtype="float32").fit(library.from_host(large, "cpu"), target("value", X))


def test_weights_of_small_numbers_are_summed_as_float64():
    y, weights = target("value", X), np.linspace(1000, 3000, ROWS).astype("float16")
    a, b = (MLPRegressor(**FAST).fit(X, y, given) for given in (weights, weights.astype(float)))
    assert_array_equal(a.coefs_[0], b.coefs_[0])


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_predictions_may_be_written_into(name):
    """JAX's own memory is read-only."""
    pytest.importorskip(name)
    X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    settings = {"hidden_layer_sizes": (4,), "backend": name, "max_iter": 2, "tol": 1.0, "n_iter_no_change": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regressor = MLPRegressor(**settings, random_state=0).fit(X, X[:, 0])
        classifier = MLPClassifier(**settings, random_state=0).fit(X, np.arange(40) % 3)
    assert regressor.predict(X).flags.writeable
    assert classifier.predict_proba(X).flags.writeable
