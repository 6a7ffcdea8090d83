"""scikit-learn's fitted networks as networks of gpunet: the same predictions."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import gpunet as gn
from gpunet import estimators as gn_estimators

ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
SETTINGS = {"hidden_layer_sizes": (7, 5), "max_iter": 4, "random_state": 0, "solver": "lbfgs"}


@pytest.fixture(autouse=True)
def no_warning_of_few_steps():
    import warnings

    with warnings.catch_warnings(action="ignore", category=UserWarning):
        yield


def data(rng, classes, dtype="float64"):
    X = rng.normal(size=(90, 4)) * [1, 2, 3, 4] + [0, 5, -5, 1]
    numbers = np.clip(np.round(X[:, 0] + len(classes) / 2), 0, len(classes) - 1).astype(int)
    return X.astype(dtype), np.array(classes)[numbers]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (["no", "yes"], ("no", "yes")),
        (["b", "a", "c"], ("a", "b", "c")),
        ([0, 1, 2], ("0", "1", "2")),
        ([9, 10], ("9", "10")),
        ([-1.0, 1.0, 2.0], ("-1", "1", "2")),
        ([False, True], ("False", "True")),
        (["10", "9", "NA"], ("10", "9", "NA")),
    ],
)
def test_classes(rng, close, activation, classes, names):
    X, y = data(rng, classes)
    mlp = MLPClassifier(activation=activation, **SETTINGS).fit(X, y)
    net = gn.from_sklearn(mlp, seed=5, backend="numpy")
    expected = mlp.predict_proba(X)
    two = len(classes) == 2
    close(net.predict(X), expected[:, 1:] if two else expected)
    assert net.class_names == names
    assert (net.target.center, net.target.scale) == (0.0, 1.0)
    by_name = dict(zip(mlp.classes_.tolist(), names, strict=True))
    assert net.predict_target(X).tolist() == [by_name[one] for one in mlp.predict(X).tolist()]
    assert (net.loss, net.seed, net.dtype) == ("logistic" if two else "cross_entropy", 5, "float64")
    assert net.evaluate(X, y)["accuracy"] == pytest.approx(mlp.score(X, y))


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(rng, close, outputs, dtype):
    X, _ = data(rng, [0, 1], dtype)
    Y = (X[:, :outputs] * 100).astype(dtype)
    mlp = MLPRegressor(activation="tanh", **{**SETTINGS, "solver": "adam"}).fit(
        X, Y[:, 0] if outputs == 1 else Y
    )
    net = gn.from_sklearn(mlp, backend="numpy")
    close(net.predict(X), mlp.predict(X).reshape(len(X), outputs).astype(dtype))
    assert (net.loss, net.target, net.class_names, net.dtype) == ("squared_error", None, None, dtype)


@pytest.mark.parametrize("labels", [2, 3])
def test_labels(rng, close, labels):
    X, _ = data(rng, [0, 1])
    Y = (X[:, :labels] > 0).astype(int)
    mlp = MLPClassifier(**SETTINGS).fit(X, Y)
    net = gn.from_sklearn(mlp, backend="numpy")
    close(net.predict(X), mlp.predict_proba(X))
    assert (net.loss, net.target, net.epochs_trained) == ("logistic", None, 0)
    assert net.evaluate(X, Y)["accuracy"] == pytest.approx((mlp.predict(X) == Y).mean())


def test_one_layer(rng, close):
    X, y = data(rng, [0, 1, 2])
    mlp = MLPClassifier(**{**SETTINGS, "hidden_layer_sizes": ()}).fit(X, y)
    net = gn.from_sklearn(mlp, backend="numpy")
    assert [layer.activation for layer in net.layers] == ["softmax"]
    close(net.predict(X), mlp.predict_proba(X))


@pytest.mark.parametrize("with_mean", [True, False])
@pytest.mark.parametrize("with_std", [True, False])
def test_a_pipeline_with_a_scaler(rng, close, with_mean, with_std):
    X, y = data(rng, ["a", "b", "c"])
    X[:, 3] = 6.0  # a constant
    pipeline = make_pipeline(
        StandardScaler(with_mean=with_mean, with_std=with_std), "passthrough", MLPClassifier(**SETTINGS)
    ).fit(X, y)
    net = gn.from_sklearn(pipeline, backend="numpy")
    X = X + 0.1
    close(net.predict(X), pipeline.predict_proba(X))
    assert net.standardizer.fitted
    assert net.predict_target(X).tolist() == pipeline.predict(X).tolist()


def test_a_pipeline_without_a_scaler(rng, close):
    X, y = data(rng, ["a", "b", "c"])
    pipeline = Pipeline([("net", MLPClassifier(**SETTINGS))]).fit(X, y)
    net = gn.from_sklearn(pipeline, backend="numpy")
    assert net.standardizer is None
    close(net.predict(X), pipeline.predict_proba(X))


@pytest.mark.parametrize("scaled", [True, False])
def test_columns_are_matched_by_name(rng, close, scaled):
    pd = pytest.importorskip("pandas")
    X, y = data(rng, ["a", "b", "c"])
    frame = pd.DataFrame(X, columns=list("pqrs"))
    mlp = MLPClassifier(**SETTINGS)
    mlp = (make_pipeline(StandardScaler(), mlp) if scaled else mlp).fit(frame, y)
    net = gn.from_sklearn(mlp, backend="numpy")
    assert net.columns == ("p", "q", "r", "s")
    close(net.predict(frame[list("srqp")]), mlp.predict_proba(frame))


def test_weights_are_copies(rng):
    X, y = data(rng, [0, 1, 2])
    mlp = MLPClassifier(**SETTINGS).fit(X, y)
    net = gn.from_sklearn(mlp, backend="numpy")
    before = net.predict(X)
    for array in (*mlp.coefs_, *mlp.intercepts_):
        array[:] = 0.0
    np.testing.assert_array_equal(net.predict(X), before)


@pytest.mark.parametrize("words", [True, False])
def test_training_goes_on(rng, words):
    X, y = data(rng, ["a", "b", "c"] if words else [1, 2, 3])
    mlp = MLPClassifier(**{**SETTINGS, "max_iter": 1}).fit(X, y)
    net = gn.from_sklearn(mlp, seed=0, backend="numpy")
    start = net.evaluate(X, y)["loss"]
    net.fit(X, y, optimizer=gn.Adam(0.01), epochs=30)
    assert net.evaluate(X, y)["loss"] < start / 2


def test_through_every_door(rng, close, exported):
    """From scikit-learn to a file, to ONNX and to PyTorch."""
    X, y = data(rng, ["a", "b"])
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**SETTINGS)).fit(X, y)
    net = gn.from_sklearn(pipeline, backend="numpy")
    out = exported(net)({"X": X})
    close(out["probabilities"], pipeline.predict_proba(X)[:, 1:])
    assert out["label"].tolist() == pipeline.predict(X).tolist()


def test_what_is_refused(rng):
    X, y = data(rng, [0, 1, 2])
    scaler = StandardScaler()
    with pytest.raises(NotFittedError, match="StandardScaler instance is not fitted"):
        gn.from_sklearn(Pipeline([("scale", scaler), ("net", MLPClassifier(**SETTINGS).fit(X, y))]))
    for estimator in (MLPClassifier(), make_pipeline(StandardScaler(), MLPRegressor())):
        with pytest.raises(NotFittedError):
            gn.from_sklearn(estimator)
    with pytest.raises(
        TypeError, match=r"takes a fitted MLPClassifier or MLPRegressor, or a Pipeline.*LogisticRegression"
    ):
        gn.from_sklearn(LogisticRegression().fit(X, y))
    own = gn_estimators.MLPRegressor()
    with pytest.raises(
        TypeError, match=r"MLPRegressor is one of gpunet\.estimators: its to_network\(\) gives"
    ):
        gn.from_sklearn(own)
    pipeline = make_pipeline(MinMaxScaler(), MLPClassifier(**SETTINGS)).fit(X, y)
    with pytest.raises(ValueError, match="this Pipeline has MinMaxScaler before it"):
        gn.from_sklearn(pipeline)
    pipeline = make_pipeline(StandardScaler(), StandardScaler(), MLPClassifier(**SETTINGS)).fit(X, y)
    with pytest.raises(ValueError, match="has StandardScaler, StandardScaler before it"):
        gn.from_sklearn(pipeline)
    with pytest.raises(ValueError, match="unknown backend"):
        gn.from_sklearn(MLPClassifier(**SETTINGS).fit(X, y), backend="nimpy")


def test_counts(rng, close, exported):
    """A Poisson loss has an exponential output, which ONNX files have too."""
    X, _ = data(rng, [0, 1])
    y = rng.poisson(np.exp(X[:, 0] + 1))
    try:
        mlp = MLPRegressor(loss="poisson", activation="tanh", **SETTINGS).fit(X, y)
    except TypeError:  # before scikit-learn 1.7
        pytest.skip("scikit-learn has no Poisson loss yet")
    net = gn.from_sklearn(mlp, seed=0, backend="numpy")
    expected = mlp.predict(X)[:, None]
    close(net.predict(X), expected)
    close(exported(net)({"X": X})["values"], expected)
    start = net.evaluate(X, y)["loss"]
    net.fit(X, y, optimizer=gn.Adam(0.01), epochs=20)
    assert net.evaluate(X, y)["loss"] < start


def test_counts_have_no_module(rng):
    pytest.importorskip("torch")
    X, _ = data(rng, [0, 1])
    try:
        mlp = MLPRegressor(loss="poisson", **SETTINGS).fit(X, rng.poisson(np.exp(X[:, 0])))
    except TypeError:  # before scikit-learn 1.7
        pytest.skip("scikit-learn has no Poisson loss yet")
    with pytest.raises(ValueError, match="PyTorch has no module for it, and 'exp'"):
        gn.from_sklearn(mlp, backend="numpy").to_torch()


def test_sparse_rows_behind_a_scaler_that_leaves_the_mean(rng):
    """scikit-learn's takes them so."""
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data(rng, ["a", "b", "c"])
    X = sparse.csr_matrix(X * (rng.random(X.shape) < 0.5))
    pipeline = make_pipeline(StandardScaler(with_mean=False), MLPClassifier(**SETTINGS)).fit(X, y)
    net = gn.from_sklearn(pipeline, backend="numpy")
    np.testing.assert_allclose(net.predict(X), pipeline.predict_proba(X), rtol=1e-6, atol=1e-6)
    assert not net.standardizer.center
    with_mean = make_pipeline(StandardScaler(), MLPClassifier(**SETTINGS)).fit(X.toarray(), y)
    with pytest.raises(ValueError, match="X is sparse, and a Standardizer that subtracts the mean"):
        gn.from_sklearn(with_mean, backend="numpy").predict(X)


def test_a_pipeline_that_does_nothing():
    with pytest.raises(
        TypeError, match=r"takes a fitted MLPClassifier .*; this Pipeline has no step that does"
    ):
        gn.from_sklearn(Pipeline([("nothing", "passthrough"), ("none", None)]))


@pytest.mark.parametrize("name", ["", "a ", "\tb"])
def test_class_names_that_a_network_does_not_tell_apart(rng, name):
    X, y = data(rng, ["a", name, "c"])
    with pytest.raises(ValueError, match="class names are not empty and have no blanks around them, got the"):
        gn.from_sklearn(MLPClassifier(**SETTINGS).fit(X, y), backend="numpy")


def test_one_class(rng):
    X, _ = data(rng, [0, 1])
    mlp = MLPClassifier(**SETTINGS).fit(X, ["only"] * len(X))
    net = gn.from_sklearn(mlp, backend="numpy")
    assert net.predict_target(X).tolist() == mlp.predict(X).tolist()
