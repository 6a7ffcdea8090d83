"""What comes in as X and y: sparse rows, tables, arrays of other libraries; what comes out is alike."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import __version__ as SKLEARN
from sklearn.utils.fixes import parse_version

import fake_cupyx
import gpunet as gn
from estimator_data import PAIRS, ROWS, early_stopping_parts, rows, target
from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()
FAST = {
    "hidden_layer_sizes": (8,),
    "random_state": 0,
    "learning_rate_init": 0.02,
    "max_iter": 4,
    "batch_size": 30,
    "alpha": 0.1,
}
BEFORE_1_9 = parse_version(SKLEARN) < parse_version("1.9")
SOLVERS = [
    {"solver": "adam"},
    {"solver": "sgd", "shuffle": False},
    {"solver": "lbfgs"},
    {"early_stopping": True},
]
TARGETS = [(MLPClassifier, "classes"), (MLPClassifier, "labels"), (MLPRegressor, "values")]


# --- sparse rows ----------------------------------------------------------------------------------


def thinned():
    """X with most of its numbers 0."""
    return np.where(np.random.default_rng(4).random(X.shape) < 0.7, 0.0, X)


@pytest.mark.parametrize("settings", SOLVERS, ids=str)
@pytest.mark.parametrize(("one", "kind"), TARGETS)
def test_sparse_rows_are_as_dense_ones(one, kind, settings):
    dense, y, weights = thinned(), target(kind, X), np.linspace(0.5, 2.0, ROWS)
    for more in ({},) if settings == {"solver": "lbfgs"} else ({}, {"dropout": 0.2}):
        expected = one(**FAST, **settings, **more).fit(dense, y, weights)
        for kind_of_rows in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array):
            model = one(**FAST, **settings, **more).fit(kind_of_rows(dense), y, weights)
            assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-6, atol=1e-8)
            assert model.loss_ == pytest.approx(expected.loss_, rel=1e-6)
            predicted = model.predict(kind_of_rows(dense))
            if kind == "values":
                assert_allclose(predicted, expected.predict(dense), rtol=1e-5, atol=1e-7)
            else:
                assert_array_equal(predicted, expected.predict(dense))


def test_sparse_matrices_of_cupy(monkeypatch):
    on_device = fake_cupyx.install(monkeypatch)
    rows, y = sparse.csr_matrix(thinned()), target("classes", X)
    there = on_device(rows)
    model, expected = (MLPClassifier(**FAST).fit(one, y) for one in (there, rows))
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert_array_equal(model.predict_proba(there), expected.predict_proba(rows))
    assert isinstance(model.predict(there), np.ndarray)


def test_sparse_rows_do_not_become_dense(monkeypatch):
    rows, y = sparse.csr_array(thinned()), target("classes", X)

    made_dense = sparse.csr_array.toarray

    def refuse(self, *arguments, **options):
        assert X.shape[1] not in self.shape, "rows became dense"
        return made_dense(self, *arguments, **options)

    monkeypatch.setattr(sparse.csr_array, "toarray", refuse)
    monkeypatch.setattr(sparse.csc_array, "toarray", refuse)
    for settings in ({}, {"solver": "lbfgs"}, {"early_stopping": True}):
        model = MLPClassifier(**FAST, **settings).fit(rows, y)
        assert len(model.predict(rows)) == ROWS


def test_sparse_rows_are_not_standardised():
    with pytest.raises(ValueError, match="MaxAbsScaler"):
        MLPClassifier(**FAST, standardize=True).fit(sparse.csr_array(X), target("classes", X))


# --- arrays of other libraries --------------------------------------------------------------------


@pytest.fixture(params=["torch", "strict", pytest.param("jax", marks=pytest.mark.slow), "readonly"])
def library(request):
    try:
        return gn.get_backend(request.param)
    except gn.BackendUnavailable as error:
        pytest.skip(str(error))


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


# --- tables ---------------------------------------------------------------------------------------


def table(m=80):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "blue", None], m)
    size = np.where(rng.random(m) < 0.2, np.nan, rng.normal(5.0, 2.0, m))
    return pd.DataFrame({"colour": colour, "size": size}), np.where(colour == "red", "warm", "cold")


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("encode", ["auto", gn.TableEncoder(numbers="standard")])
def test_categories_and_missing_cells(encode, early_stopping):
    frame, y = table()
    model = MLPClassifier(
        (8,),
        encode=encode,
        random_state=0,
        max_iter=60,
        learning_rate_init=0.05,
        early_stopping=early_stopping,
    )
    model.fit(frame, y)
    assert model.score(frame, y) == 1.0
    assert model.n_features_in_ == 2 and model.feature_names_in_.tolist() == ["colour", "size"]
    assert model.coefs_[0].shape[0] == len(model.encoder_.feature_names) > 2
    assert not getattr(encode, "fitted", False)
    assert_allclose(model.to_network().predict(frame)[:, 0], model.predict_proba(frame)[:, 1], rtol=1e-6)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"size": "length"}))


def test_the_encoder_learns_from_the_training_part_alone():
    frame, y = table()
    model = MLPClassifier((4,), encode="auto", random_state=3, max_iter=2, early_stopping=True).fit(frame, y)
    assert (
        model.encoder_.feature_names
        == MLPClassifier((4,), encode="auto", random_state=3, max_iter=2).fit(frame, y).encoder_.feature_names
    )
    everything = gn.TableEncoder().fit(frame).transform(frame)
    assert not np.allclose(model.encoder_.transform(frame), everything)


def test_without_encode_missing_cells_are_refused_as_by_scikit_learn():
    frame, y = table()
    for one in PAIRS["classifier"]:
        with pytest.raises(ValueError, match="contains NaN"):
            one().fit(frame[["size"]], y)
        with pytest.raises(ValueError, match="could not convert string to float"):
            one().fit(frame[["colour"]], y)


@pytest.mark.parametrize("name", PAIRS)
def test_polars_frames(name):
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(X, schema=list("abcdefg"))
    ours, _ = PAIRS[name]
    model = ours(**FAST).fit(frame, target("binary", X))
    assert BEFORE_1_9 or model.feature_names_in_.tolist() == list("abcdefg")  # scikit-learn's to find
    assert_array_equal(model.predict(frame), ours(**FAST).fit(X, target("binary", X)).predict(X))


# --- what is refused, in every library ------------------------------------------------------------


@pytest.fixture
def there():
    """X in another library."""
    return gn.get_backend("readonly").from_host(X, "cpu")


@pytest.mark.parametrize("name", PAIRS)
def test_targets_beside_rows_of_another_library_are_checked(name, there):
    """As beside NumPy's, in the same words."""
    ours, _ = PAIRS[name]
    y = target("binary", X).astype(float)
    for bad in (None, y[:-1], np.where(y > 0, np.nan, y), np.where(y > 0, np.inf, y)):
        messages = []
        for features in (X, there):
            with pytest.raises(ValueError) as error:
                ours(**FAST).fit(features, bad)
            messages.append(str(error.value).splitlines()[0])
        assert messages[0] == messages[1]
    column, flat = (ours(**FAST) for _ in range(2))
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        column.fit(there, y[:, None])
    library = gn.get_backend("readonly")
    assert_array_equal(library.to_host(column.coefs_[0]), library.to_host(flat.fit(there, y).coefs_[0]))


def test_rows_of_another_library_that_are_not_finite(there):
    library = gn.get_backend("readonly")
    bad = np.array(X)
    bad[7, 2] = np.nan
    model = MLPRegressor(**FAST)
    with pytest.raises(ValueError, match=r"^X holds NaN.*first in row 7"):
        model.fit(library.from_host(bad, "cpu"), target("value", X))
    model.fit(there, target("value", X))
    with pytest.raises(ValueError, match=r"^X holds NaN.*first in row 7"):
        model.predict(library.from_host(bad, "cpu"))


def test_numbers_as_objects_beside_rows_of_another_library(there):
    library, y = gn.get_backend("readonly"), target("value", X)
    a, b = (MLPRegressor(**FAST).fit(there, given) for given in (y.astype(object), y))
    assert_array_equal(library.to_host(a.coefs_[0]), library.to_host(b.coefs_[0]))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones((ROWS, 2)), f"must be 1D array or scalar, got 2D array.*1D array of length {ROWS}"),
        (np.ones(ROWS - 1), rf"sample_weight.shape == \({ROWS - 1},\), expected \({ROWS},\)!"),
        (np.zeros(ROWS), "at least one non-zero number"),
        (0.0, "at least one non-zero number"),
        (np.full(ROWS, np.nan), "Input sample_weight contains NaN"),
    ],
    ids=["2d", "short", "zero", "number", "nan"],
)
@pytest.mark.parametrize("name", PAIRS)
def test_what_messages_say_of_weights(name, weights, words):
    with pytest.raises(ValueError, match=words):
        PAIRS[name][0](**FAST).fit(X, target("binary", X), weights)


class Unknown:
    """An array of a library that no backend is for."""

    def __init__(self, array):
        self.array = array

    def __array_namespace__(self):
        return np

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_arrays_of_a_library_that_has_no_backend():
    """They come through DLPack, and are NumPy's from there on."""
    y, weights = target("binary", X), np.linspace(0.5, 2.0, ROWS)
    model = MLPClassifier(**FAST).fit(Unknown(X), Unknown(y), Unknown(weights))
    expected = MLPClassifier(**FAST).fit(X, y, weights)
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert_array_equal(model.predict(Unknown(X)), expected.predict(X))
    assert model.score(Unknown(X), Unknown(y), Unknown(weights)) == expected.score(X, y, weights)


# --- what is learned from the training part alone -------------------------------------------------


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


@pytest.mark.parametrize("one", [MLPClassifier, MLPRegressor])
def test_the_encoder_of_early_stopping(one):
    """It learns from the rows that are trained on, which are drawn before the weights: it says how many there are."""
    pd = pytest.importorskip("pandas")
    y = target("binary", X)
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0.5, "x", "y")})
    settings = {**FAST, "encode": gn.TableEncoder(numbers="standard"), "early_stopping": True}
    model = one(**settings, validation_fraction=0.3).fit(frame, y)
    training, _ = early_stopping_parts([], fraction=0.3, strata=y if one is MLPClassifier else None)
    expected = gn.TableEncoder(numbers="standard").fit(frame.iloc[training]).transform(frame)
    assert_allclose(model.encoder_.transform(frame), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        one(**settings).fit(frame, None)


@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_the_type_of_numbers_of_tables(dtype):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": X[:, 0].astype("float32"), "b": np.where(X[:, 1] > 0.5, "x", "y")})
    model = MLPRegressor(**FAST, encode="auto", dtype=dtype).fit(frame, target("value", X))
    assert model.coefs_[0].dtype == model.predict(frame).dtype == (dtype or "float64")


# --- weights and shapes ---------------------------------------------------------------------------


@pytest.mark.skipif(BEFORE_1_9, reason="the messages are scikit-learn 1.9's")
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    "weights",
    [np.ones((ROWS, 2)), np.ones(ROWS - 1), np.zeros(ROWS), np.full(ROWS, np.nan)],
    ids=["2d", "short", "zero", "nan"],
)
def test_bad_weights(name, weights):
    """As scikit-learn says it."""
    messages = []
    for one in PAIRS[name]:
        with pytest.raises(ValueError) as error:
            one(**FAST).fit(X, target("binary", X), weights)
        messages.append(str(error.value).replace(type(one()).__name__, ""))
    assert messages[0].splitlines()[0] == messages[1].splitlines()[0]


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


@pytest.mark.parametrize("name", PAIRS)
def test_bad_inputs_are_refused_as_by_scikit_learn(name):
    y = target("binary", X)
    bad = [
        (X[:3], y), (X[:, 0], y), (np.where(X > 1, np.inf, X), y), (X * 1j, y), (X, None), (X[:0], y[:0]),
        (X, np.full(ROWS, np.nan)),
    ]  # fmt: skip
    for features, targets in bad:
        messages = []
        for one in PAIRS[name]:
            with pytest.raises(ValueError) as error:
                one(**FAST).fit(features, targets)
            messages.append(str(error.value).splitlines()[0])
        assert messages[0] == messages[1]
    model = PAIRS[name][0](**FAST).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 3 features, but MLP.* is expecting 7 features as input"):
        model.predict(X[:, :3])


def test_a_column_of_targets_is_flattened_with_a_warning():
    y = target("value", X)
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        model = MLPRegressor(**FAST).fit(X, y[:, None])
    assert model.predict(X).shape == (ROWS,)


def test_negative_counts():
    with pytest.raises(ValueError, match="loss='poisson' needs y of at least 0"):
        MLPRegressor(loss="poisson").fit(X, target("value", X))


def test_dtypes():
    y = target("value", X)
    for given, dtype, expected in (
        ("float64", None, "float64"), ("float32", None, "float32"), ("int64", None, "float64"),
        ("float16", None, "float64"),
        ("float64", "float32", "float32"), ("float32", np.float64, "float64"),
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MLPRegressor(**FAST, dtype=dtype).fit((10 * X).astype(given), y)
        assert model.coefs_[0].dtype == model.predict(X).dtype == expected


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


@pytest.mark.parametrize("name", PAIRS)
def test_columns_that_are_missing_in_a_later_call(name):
    y = target("binary", X)
    more = {"classes": [0, 1]} if name == "classifier" else {}
    messages = []
    for one in PAIRS[name]:
        model = one(hidden_layer_sizes=3, random_state=0).partial_fit(X, y, **more)
        with pytest.raises(ValueError, match="X has 5 features, but") as error:
            model.partial_fit(X[:, :5], y)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("encode", [None, "auto"])
def test_what_was_learned_is_not_learned_again_from_other_rows(encode):
    """A row's prediction does not depend on those beside it."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(3.0 * X + 1.0, columns=list("abcdefg"))
    given = frame.to_numpy() if encode is None else frame
    model = MLPRegressor(**FAST, standardize=encode is None, encode=encode).fit(given, target("value", X))
    assert_allclose(model.predict(given[:5]), model.predict(given)[:5], rtol=1e-9)
