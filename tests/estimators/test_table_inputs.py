"""Tables as X: categories, missing cells, columns, and what is learned from which rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gpunet as gn
from estimator_data import BEFORE_1_9, FAST, PAIRS, early_stopping_parts, rows, target
from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()


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
