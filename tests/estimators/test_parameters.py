"""Parameters: ranges and messages are scikit-learn's; gpunet's own have theirs."""

import collections
import inspect
import math
import warnings
from numbers import Integral

import numpy as np
import pytest
from sklearn.base import clone

import gpunet as gn
from estimator_data import PAIRS, ROWS, rows, target
from gpunet.core.losses import Loss
from gpunet.estimators import MLPClassifier, MLPRegressor, parameters
from gpunet.estimators.parameters import CONSTRAINTS, check

X = rows()
Y = target("binary", X)
BAD = {
    "solver": ["newton", None],
    "alpha": [-0.1, "much", None],
    "batch_size": [0, 1.5, "all", None],
    "learning_rate": ["falling", 0.1],
    "learning_rate_init": [0.0, -1, None],
    "power_t": [-0.5, "x"],
    "max_iter": [0, 2.5],
    "shuffle": ["yes", 1],
    "tol": [-1e-3, None],
    "warm_start": ["no", 0],
    "momentum": [-0.1, 1.1],
    "nesterovs_momentum": [1, None],
    "early_stopping": [1, "yes"],
    "validation_fraction": [1.0, -0.1],
    "beta_1": [1.0, -0.1],
    "beta_2": [1.0, -0.1],
    "epsilon": [0.0, -1e-8],
    "max_fun": [0, 1.5],
}
# Here a message also names what gpunet takes beside scikit-learn's values, or is not word for word the same.
OTHER_WORDS = {
    "hidden_layer_sizes": [
        (None, "must be an array-like or an int in the range [1, inf). Got None"),
        (0, "an int in the range [1, inf)"),
    ],
    "activation": [
        ("softmax", "'logistic'"), ("cubic", "'logistic'"), (["relu", "cubic"], "one for each hidden layer"),
        (None, "an Activation"),
    ],
    "random_state": [("seed", "RandomState"), (-1, "[0, 4294967295]")],
    "verbose": [("loud", "an instance of 'bool'"), (-1, "[0, inf)")],
    "n_iter_no_change": [(0, "[1, inf)"), (2.5, "or inf"), (-math.inf, "or inf")],
    "dropout": [(1.0, "[0.0, 1.0)"), ([0.1, 1.0], "one for each hidden layer"), ("half", "a float")],
    "standardize": [("yes", "a Standardizer"), (None, "'bool'")],
    "encode": [(True, "a TableEncoder"), ("all", "'auto'")],
    "backend": [(None, "the name of a backend")],
    "dtype": [("float16", "a float dtype"), (int, "a float dtype")],
    "compile": [("now", "'background', 'never', 'wait'"), (True, "None")],
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("parameter", BAD)
def test_messages_are_scikit_learns(parameter, name):
    for value in BAD[parameter]:
        messages = []
        for one in PAIRS[name]:
            with pytest.raises(ValueError) as error:
                one(**{parameter: value}).fit(X, Y)
            # scikit-learn lists a set.
            messages.append(
                sorted(str(error.value).replace("{", " ").replace("}", " ").replace(",", " ").split())
            )
        assert messages[0] == messages[1]


@pytest.mark.parametrize("one", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("parameter", OTHER_WORDS)
def test_other_messages(parameter, one):
    for value, words in OTHER_WORDS[parameter]:
        with pytest.raises(ValueError) as error:
            one(**{parameter: value}).fit(X, Y)
        message = str(error.value)
        assert message.startswith(f"The {parameter!r} parameter of {one.__name__} must be ")
        assert words in message and f"Got {value!r} instead." in message


@pytest.mark.parametrize(
    ("one", "parameter", "value"),
    [
        (MLPClassifier, "loss", "poisson"), (MLPRegressor, "loss", "logistic"), (MLPRegressor, "loss", None),
        (MLPClassifier, "class_weight", "even"), (MLPClassifier, "label_smoothing", 1.0),
        (MLPClassifier, "label_smoothing", -0.1),
    ],
)  # fmt: skip
def test_parameters_of_one_estimator(one, parameter, value):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of {one.__name__}"):
        one(**{parameter: value}).fit(X, Y)


@pytest.mark.parametrize("name", PAIRS)
def test_signature_begins_with_scikit_learns(name):
    ours, theirs = (inspect.signature(one).parameters for one in PAIRS[name])
    assert [p for p in ours if p in theirs] == list(theirs)
    for parameter, described in theirs.items():
        assert ours[parameter].default == described.default, parameter
        assert ours[parameter].kind == described.kind, parameter


@pytest.mark.parametrize("one", [MLPClassifier, MLPRegressor])
def test_every_parameter_is_checked_and_cloned(one):
    given = {name: object() for name in one().get_params()}
    assert clone(one(callbacks=[len])).callbacks == [len]
    for name in set(given) - {"callbacks"}:
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            one(**{name: given[name]}).fit(X, Y)


@pytest.mark.parametrize("sizes", [(5, 0), (-1,), [3, -2]])
def test_sizes_of_layers(sizes):
    messages = []
    for one in PAIRS["regressor"]:
        with pytest.raises(ValueError, match="hidden_layer_sizes must be > 0, got") as error:
            one(hidden_layer_sizes=sizes).fit(X, Y)
        messages.append(str(error.value).rstrip("."))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    "sizes",
    [True, np.True_, (4, True), (4.0,), [2.5], ("4",), [[4, 3]], [[4], [3, 2]], {4: 3}, {4}, (None,)],
    ids=str,
)
@pytest.mark.parametrize("one", [MLPClassifier, MLPRegressor])
def test_sizes_that_are_no_integers(one, sizes):
    for solver in ("adam", "lbfgs"):
        with pytest.raises(ValueError, match=r"hidden_layer_sizes.* must be .*[Gg]ot"):
            one(hidden_layer_sizes=sizes, solver=solver).fit(X, Y)


@pytest.mark.parametrize(
    "sizes", [4, [4], (4,), np.array([4]), np.int64(4), range(4, 5), (np.uint8(4),)], ids=str
)
def test_ways_to_write_sizes(sizes):
    model = MLPRegressor(hidden_layer_sizes=sizes, solver="lbfgs", max_iter=3, alpha=5.0, tol=10.0)
    assert [c.shape for c in model.fit(X, Y).coefs_] == [(7, 4), (4, 1)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", PAIRS)
def test_layers_of_one_unit(name):
    ours, theirs = (
        one(hidden_layer_sizes=(1, 1), max_iter=2, random_state=0).fit(X, Y) for one in PAIRS[name]
    )
    assert [c.shape for c in ours.coefs_] == [(7, 1), (1, 1), (1, 1)]
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0])


def test_no_hidden_layer():
    model = MLPClassifier(hidden_layer_sizes=(), solver="lbfgs", random_state=0).fit(X, Y)
    assert model.n_layers_ == 2
    assert model.score(X, Y) > 0.9


def test_one_entry_for_each_hidden_layer():
    for parameter in ("activation", "dropout"):
        value = {"activation": ["relu", "tanh"], "dropout": [0.1, 0.2]}[parameter]
        with pytest.raises(ValueError, match=f"{parameter} has 2 entries, there are 3 hidden layers"):
            MLPClassifier((4, 4, 4), **{parameter: value}).fit(X, Y)


def test_callbacks_are_checked_before_anything_is_trained():
    with pytest.raises(TypeError, match="callback must be callable"):
        MLPClassifier(callbacks=3).fit(X, Y)
    with pytest.raises(
        ValueError, match=r"monitors 'val_loss', .* measure: set early_stopping=True, or use monitor"
    ):
        MLPClassifier(callbacks=gn.EarlyStopping()).fit(X, Y)


def test_sizes_may_not_change_between_warm_starts():
    model = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", warm_start=True, tol=10.0).fit(X, Y)
    with pytest.raises(ValueError, match="warm_start=False starts anew"):
        model.set_params(hidden_layer_sizes=5).fit(X, Y)


@pytest.mark.parametrize("one", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("sizes", [(10.5,), (10, "a"), [[10, 5]], (True,), [gn.Dense(3)]])
def test_sizes_of_hidden_layers(one, sizes):
    with pytest.raises(ValueError, match=r"^hidden_layer_sizes must be one integer, or one for each hidden"):
        one(hidden_layer_sizes=sizes).fit(X, Y)


@pytest.mark.parametrize("one", [MLPClassifier, MLPRegressor])
def test_callbacks_are_checked_before_anything_is_learned(one):
    model = one(callbacks=gn.EarlyStopping)
    with pytest.raises(TypeError, match=r"got a class: write EarlyStopping\(\)"):
        model.fit(X, Y)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("encode", [gn.TableEncoder, gn.Standardizer()])
def test_what_is_no_encoder(encode):
    with pytest.raises(ValueError, match=r"parameter of MLPClassifier must be .* a TableEncoder. Got"):
        MLPClassifier(encode=encode).fit(X, Y)


@pytest.mark.parametrize("early", [False, True])
def test_metrics_that_no_estimator_has(early):
    stop = gn.EarlyStopping(monitor="val_f1", mode="max")
    expected = (
        "does not measure; it has loss, val_loss, val_accuracy$" if early else "set early_stopping=True, or"
    )
    with pytest.raises(ValueError, match=expected):
        MLPClassifier(callbacks=stop, early_stopping=early).fit(X, Y)


# Ends of ranges, values of other types, and values that are no number.
VALUES = [
    -1, 0, 1, 2, -0.5, 0.0, 0.5, 1.0, 1.5, 2**32 - 1, 2**32, math.inf, -math.inf, math.nan, None, True, False,
    np.True_, np.int64(3), np.float32(0.5), "auto", "adam", "constant", [1], (), np.random.RandomState(0),
]  # fmt: skip
OTHER_RANGES = {"activation", "hidden_layer_sizes", "loss"}


def passes(check, *arguments):
    """Whether no ValueError is raised."""
    try:
        check(*arguments)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", PAIRS)
def test_the_values_that_scikit_learn_allows(name):
    _, theirs = PAIRS[name]
    for parameter in sorted(theirs().get_params().keys() - OTHER_RANGES):
        allowed, expected = [], []
        for value in VALUES:
            given = {parameter: value}
            allowed += [repr(value)] * passes(check, "it", given, CONSTRAINTS)
            expected += [repr(value)] * passes(theirs(**given)._validate_params)
        assert allowed == expected, parameter
        assert 0 < len(allowed) < len(VALUES), parameter


@pytest.mark.parametrize(
    ("parameter", "allowed", "refused"),
    [
        ("activation", ["gelu", ["relu"], ("tanh", "logistic"), np.array(["relu"])], [["softmax"], {"relu"}]),
        ("dropout", [0, 0.0, 0.999, [0.5], (0, 0.5), np.array([0.5])], [-0.1, {0.5}, np.array([[0.5]])]),
        ("standardize", [True, np.False_, gn.Standardizer()], [1, gn.Standardizer]),
        ("encode", [None, "auto", gn.TableEncoder()], [False]),
        (
            "dtype",
            [None, "float32", "float64", np.float32, np.float64, np.dtype("float32")],
            ["int32", float],
        ),
        ("compile", [None, "background", "wait", "never"], [False]),
        ("label_smoothing", [0, 0.0, 0.999], [1, None, "a little"]),
        ("class_weight", [None, "balanced", {}, collections.OrderedDict({1: 2.0})], [[1, 2], 1.0]),
        (
            "loss",
            [
                "log_loss",
                "cross_entropy",
                Loss("own", lambda xp, A, Y: (A - Y) ** 2, lambda xp, A, Y: 2 * (A - Y)),
            ],
            ["poisson", Loss],
        ),
    ],
)
def test_the_values_of_other_parameters(parameter, allowed, refused):
    constraints = {**CONSTRAINTS, **MLPClassifier()._constraints()}
    for value in allowed:
        check("it", {parameter: value}, constraints)
    for value in refused:
        with pytest.raises(ValueError, match=f"The '{parameter}' parameter of it must be"):
            check("it", {parameter: value}, constraints)


def test_the_losses_of_a_regressor():
    """Those that make sense for numbers."""
    with pytest.raises(ValueError) as error:
        MLPRegressor(loss="cross_entropy").fit(X, Y)
    message = str(error.value)
    assert "'absolute_error', " in message and "'poisson', 'squared_error'" in message
    assert "logistic" not in message and " or a Loss. Got 'cross_entropy' instead." in message


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"batch_size": ROWS + 1}, True),
        ({"batch_size": ROWS}, False),
        ({"batch_size": ROWS + 1, "solver": "lbfgs"}, False),
    ],
    ids=str,
)
def test_batches_larger_than_the_data(settings, warned):
    for one in PAIRS["regressor"]:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            one(hidden_layer_sizes=2, max_iter=1, random_state=0, **settings).fit(X, Y)
        assert ["batch_size" in str(w.message) for w in found].count(True) == warned


def test_the_parts_that_constraints_are_made_of():
    """Made here, and not when the module is imported."""
    whole, above = parameters.interval(1, 3, kind=Integral), parameters.interval(0, closed="neither")
    both = parameters.interval(0, 1, closed="both")
    assert [whole.holds(v) for v in (0, 1, 2, 3, 1.5, "1")] == [False, True, True, False, False, False]
    assert [above.holds(v) for v in (0, 0.5, math.inf)] == [False, True, False]
    assert [both.holds(v) for v in (-0.1, 0, 1, 1.1)] == [False, True, True, False]
    assert whole.holds("1") is False
    texts = [
        "an int in the range [1, 3)",
        "a float in the range (0.0, inf)",
        "a float in the range [0.0, 1.0]",
    ]
    assert [whole.text, above.text, both.text] == texts
    some = parameters.names(name for name in ("b", "a"))
    assert (
        some.text == "a str among {'a', 'b'}" and some.holds("b") and some.holds("a") and not some.holds("c")
    )
    several = parameters.sequence_of(parameters._any_of([whole, some]), "several")
    assert several.text == "several"
    for value in ([1, "a"], (2,), np.array([1, 2]), []):
        assert several.holds(value)
    for value in ([3], ("c",), np.array([[1]]), np.array([5]), "a", 1, {1}):
        assert not several.holds(value)
    assert parameters._same(None).holds(None) and not parameters._same(None).holds(0)
    assert parameters._same(None).text == "None"


def test_a_loss_goes_with_the_output():
    """One sigmoid, for two classes or several labels, would only learn to be 1 with cross-entropy."""
    three, labels = target("classes", X), target("labels", X)
    for y in (Y, labels):
        model = MLPClassifier(4, loss="cross_entropy")
        with pytest.raises(
            ValueError, match="cross_entropy needs an output between 0 and 1 that sums to 1: softmax"
        ):
            model.fit(X, y)
        assert not hasattr(model, "coefs_")
    settings = {"max_iter": 3, "tol": 10.0, "solver": "lbfgs"}
    assert MLPClassifier(4, loss="cross_entropy", **settings).fit(X, three).out_activation_ == "softmax"
    detectors = Loss(
        "detectors",
        lambda xp, A, Y: (A - Y) ** 2,
        lambda xp, A, Y: 2 * (A - Y),
        outputs=frozenset({"sigmoid"}),
    )
    assert MLPClassifier(4, loss=detectors, **settings).fit(X, Y).out_activation_ == "logistic"
    with pytest.raises(
        ValueError, match="detectors needs an output between 0 and 1: sigmoid; the last layer is iden"
    ):
        MLPRegressor(hidden_layer_sizes=4, loss=detectors).fit(X, Y)
