"""scikit-learn's tools around the estimators: copies, searches, pipelines, files, HTML."""

import copy
import importlib
import io
import os
import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier as Reference
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import gpunet as gn
import gpunet.estimators
from estimator_data import rows, target
from gpunet.estimators import MLPClassifier, MLPRegressor

X = rows()
Y, WORDS, VALUE = (target(kind, X) for kind in ("classes", "words", "value"))
FAST = {"hidden_layer_sizes": (8,), "random_state": 0, "learning_rate_init": 0.02, "max_iter": 20}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), through_joblib])
@pytest.mark.parametrize(("one", "y"), [(MLPClassifier, WORDS), (MLPRegressor, VALUE)])
def test_copies_predict_and_go_on_alike(one, y, way):
    model = one(**FAST, dropout=0.1).fit(X, y)
    other = way(model)
    assert np.array_equal(model.predict(X), other.predict(X))
    for _ in range(2):
        for each in (model, other):
            each.partial_fit(X, y)
    assert np.array_equal(model.coefs_[0], other.coefs_[0])
    assert model.coefs_[0] is not other.coefs_[0]


def test_clone_has_the_parameters_alone():
    model = MLPClassifier(**FAST, dropout=0.3, class_weight="balanced", backend="numpy").fit(X, WORDS)
    other = clone(model)
    assert other.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        other.predict(X)
    with pytest.raises(NotFittedError):
        other.to_network()


def test_pipeline_and_cross_validation():
    scores = cross_val_score(make_pipeline(StandardScaler(), MLPClassifier(**FAST)), X, WORDS, cv=3)
    expected = cross_val_score(make_pipeline(StandardScaler(), Reference(**FAST)), X, WORDS, cv=3)
    assert np.allclose(scores, expected)


def test_permutation_importance():
    y = X[:, 2]
    model = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", random_state=0, tol=1e-2).fit(X, y)
    assert permutation_importance(model, X, y, random_state=0).importances_mean.argmax() == 2


def test_calibration():
    model = CalibratedClassifierCV(MLPClassifier(**FAST), cv=2).fit(X, WORDS, sample_weight=np.ones(len(X)))
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(X, WORDS) > 0.6


def test_html():
    text = estimator_html_repr(MLPClassifier(dropout=0.25))
    assert "MLPClassifier" in text and "dropout" in text


def test_feature_names_of_a_pipeline_with_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdefg"))
    model = make_pipeline(StandardScaler().set_output(transform="pandas"), MLPClassifier(**FAST)).fit(
        frame, WORDS
    )
    assert model[-1].feature_names_in_.tolist() == list("abcdefg")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_random_states():
    """An object goes on; a number starts again; None differs."""

    def weights(state):
        return MLPRegressor(**{**FAST, "random_state": state, "max_iter": 1}).fit(X, VALUE).coefs_[0]

    state = np.random.RandomState(3)
    assert not np.array_equal(weights(state), weights(state))
    assert np.array_equal(weights(3), weights(3))
    assert not np.array_equal(weights(None), weights(None))


def test_networks_are_copied_and_pickled():
    """What an estimator may be asked for, and what callbacks hold."""
    net = gn.Network([gn.Dense(300, "relu"), gn.Dense(3, "softmax")], inputs=200, seed=0, backend="numpy")
    rows = np.random.default_rng(0).random((20, 200), dtype="float32")
    A = net.predict(rows)  # by a compiled predictor, if there is one
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.allclose(other.predict(rows), A, rtol=1e-5)
        other.fit(rows, np.arange(20) % 3, epochs=1)
    assert np.array_equal(net.predict(rows), A)


INNER = """
import os, warnings
import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV
from gpunet.estimators import MLPClassifier

def counts():
    from gpunet_numpy.blas_threads import most_blas_threads
    from gpunet_numpy.compiled.threads import threads
    return threads(), most_blas_threads()

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    limits = Parallel(n_jobs=2)(delayed(counts)() for _ in range(2))
    with parallel_config("loky", inner_max_num_threads=1):
        one = Parallel(n_jobs=3)(delayed(counts)() for _ in range(2))
    print(limits, one)
    X = np.random.default_rng(0).normal(size=(200, 5))
    search = GridSearchCV(MLPClassifier((8,), max_iter=5, random_state=0), {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2)
    print(search.fit(X, X[:, 0] > 0).best_params_["alpha"] in (0.1, 1.0))
"""


@pytest.mark.slow
def test_searches_in_two_processes_share_the_cores(tmp_path):
    """joblib's inner limit: half of the cores for each of two."""
    pytest.importorskip("numba")
    script = tmp_path / "search.py"
    script.write_text(INNER)
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "LOKY_MAX_CPU_COUNT": "4"}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    counts, worked = done.stdout.splitlines()
    inner = max(min(4, len(os.sched_getaffinity(0))) // 2, 1)
    assert counts == f"{[(inner, inner)] * 2} {[(1, 1)] * 2}"
    assert worked == "True"


def test_grid_search():
    search = GridSearchCV(MLPClassifier(**FAST), {"alpha": [1e-4, 100.0]}, cv=2).fit(X, WORDS)
    assert search.best_params_ == {"alpha": 1e-4}
    assert search.predict(X[:3]).dtype == WORDS.dtype


def test_an_interrupted_fit_keeps_its_weights(monkeypatch):
    def interrupt(network, history):
        if history.epochs == 3:
            raise KeyboardInterrupt

    model = MLPClassifier(**FAST, callbacks=interrupt)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(X, WORDS)
    assert model.n_iter_ == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = MLPClassifier(**{**FAST, "max_iter": 3}).fit(X, WORDS)
    assert np.array_equal(model.coefs_[0], expected.coefs_[0])


def test_what_to_install(monkeypatch):
    """Where scikit-learn is missing, or too old."""
    monkeypatch.setitem(sys.modules, "gpunet.estimators.classifier", None)
    with pytest.raises(
        ImportError, match=r"needs scikit-learn 1\.7 or later, and SciPy: pip install .*\[sklearn\]"
    ):
        importlib.reload(gpunet.estimators)
