"""Checks of single settings, and what they say; gpunet's own modules under the checks of the planted bugs."""

import math
from pathlib import Path

import numpy as np
import pytest

import core_checks as checks
import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.checks import (
    finite_number,
    flag,
    function,
    known_name,
    not_negative_int,
    number,
    other_parameters,
    positive_int,
    texts,
    unit_interval,
)
from gpunet.core.initializers import Constant
from gpunet.core.losses import LOSSES
from gpunet.core.plan import Layer
from gpunet.paths import file_path


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_gpunet_passes(check):
    check(checks.room_of("gpunet"))


def test_names():
    known = ("sigmoid", "relu", "selu", "elu")
    assert known_name("activation", "relu", known) == "relu"
    for name, hint in (("Relu", "relu"), ("sigmod", "sigmoid"), ("rel", "relu"), ("rlx", "relu")):
        with pytest.raises(ValueError) as caught:
            known_name("activation", name, known)
        assert str(caught.value) == (
            f"unknown activation {name!r}. Did you mean {hint!r}? Known: elu, relu, selu, sigmoid."
        )
    for name in ("xyz", 3, None, ("relu",)):
        with pytest.raises(ValueError, match=r"unknown activation .*Known: elu, relu") as caught:
            known_name("activation", name, known)
        assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(200)])
def test_whole_numbers(value):
    found = positive_int("n", value)
    assert found == value
    assert type(found) is int


@pytest.mark.parametrize("value", [True, 1.0, "1", None, np.float64(2), [1]])
def test_what_is_no_whole_number(value):
    with pytest.raises(TypeError, match="n must be a whole number, got"):
        positive_int("n", value)


@pytest.mark.parametrize("value", [0, -1])
def test_whole_numbers_below_one(value):
    with pytest.raises(ValueError, match=f"n must be at least 1, got {value}"):
        positive_int("n", value)


def test_whole_numbers_from_zero():
    assert not_negative_int("n", 0) == 0
    assert not_negative_int("n", np.int64(3)) == 3
    with pytest.raises(ValueError, match="n must be at least 0, got -1"):
        not_negative_int("n", -1)
    for value in (False, 0.0, "0"):
        with pytest.raises(TypeError, match="n must be a whole number, got"):
            not_negative_int("n", value)


def test_finite_numbers():
    for value in (-3, 0, 2.5, np.float32(0.5)):
        found = finite_number("x", value)
        assert found == value
        assert type(found) is float
    assert finite_number("x", 0, 0.0) == 0.0
    assert finite_number("x", 1e-300, 0.0, strict=True) == 1e-300
    for value, low, strict, said in (
        (math.nan, -math.inf, False, "x must be a finite number, got nan"),
        (math.inf, -math.inf, False, "x must be a finite number, got inf"),
        (-math.inf, -math.inf, False, "x must be a finite number, got -inf"),
        (-0.1, 0.0, False, "x must be a finite number at least 0, got -0.1"),
        (0.0, 0.0, True, "x must be a finite number above 0, got 0.0"),
        (-1, 0.0, True, "x must be a finite number above 0, got -1"),
    ):
        with pytest.raises(ValueError) as caught:
            finite_number("x", value, low, strict=strict)
        assert str(caught.value) == said
    for value in (True, "1", None, 1j, [1.0]):
        with pytest.raises(TypeError, match="x must be a number"):
            finite_number("x", value)


def test_the_unit_interval():
    assert unit_interval("rate", 0) == 0.0
    assert unit_interval("rate", 0.999) == 0.999
    for value in (1, 1.0, 1.5):
        with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\), got"):
            unit_interval("rate", value)
    with pytest.raises(ValueError, match="rate must be a finite number at least 0"):
        unit_interval("rate", -0.1)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: gn.Dense(0), "units must"),
        (lambda: gn.Dense(1, "no"), "unknown activation"),
        (lambda: gn.Dense(1, "relu", "no"), "unknown initializer"),
        (lambda: gn.Dropout(1), "rate must"),
        (lambda: gn.Cosine(0), "initial must .* above 0"),
        (lambda: gn.Cosine(1, -1), "final must .* at least 0"),
        (lambda: gn.Cosine(1, warmup=1.0), "warmup must"),
        (lambda: gn.Exponential(0), "initial must .* above 0"),
        (lambda: gn.Exponential(1, 0), "factor must .* above 0"),
        (lambda: gn.Exponential(1, every=0), "every must"),
        (lambda: gn.InverseTime(0), "initial must .* above 0"),
        (lambda: gn.InverseTime(1, 0), "half_life must"),
        (lambda: gn.GradientDescent(0), "learning_rate must .* above 0"),
        (lambda: gn.GradientDescent(weight_decay=-1), "weight_decay must .* at least 0"),
        (lambda: gn.GradientDescent(clip_norm=0), "clip_norm must .* above 0"),
        (lambda: gn.GradientDescent(momentum=1), "momentum must"),
        (lambda: gn.RMSprop(decay=1), "decay must"),
        (lambda: gn.RMSprop(epsilon=0), "epsilon must .* above 0"),
        (lambda: gn.RMSprop(weight_decay=-1), "weight_decay must"),
        (lambda: gn.Adam(beta1=1), "beta1 must"),
        (lambda: gn.Adam(beta2=1), "beta2 must"),
        (lambda: gn.Adam(epsilon=0), "epsilon must .* above 0"),
        (lambda: gn.AdamW(clip_norm=-1), "clip_norm must"),
        (lambda: gn.EarlyStopping(0), "patience must"),
        (lambda: gn.EarlyStopping(min_delta=-1), "min_delta must .* at least 0"),
        (lambda: gn.EarlyStopping(monitor="no"), "unknown monitor"),
        (lambda: gn.Network([gn.Dense(1)], "no"), "unknown loss"),
        (lambda: gn.Network([gn.Dense(1)], inputs=0), "inputs must"),
        (lambda: gn.Network([gn.Dense(1)], dtype="no"), "unknown dtype"),
        (lambda: gn.Network([gn.Dense(1)], backend="no"), "unknown backend"),
    ],
)
def test_every_setting_is_called_by_its_name(build, said):
    with pytest.raises(ValueError, match=rf"^{said}\b"):
        build()


@pytest.mark.parametrize(
    "value",
    [
        gn.Dense(3),
        gn.Dropout(0.5),
        gn.Cosine(1),
        gn.Exponential(1),
        gn.InverseTime(1),
        gn.Adam(),
        gn.RMSprop(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_settings_are_values(value):
    """Frozen and hashable: plans hold them, and programs are compiled for plans."""
    assert hash(value) == hash(eval(repr(value), vars(gn)))
    with pytest.raises(AttributeError):
        setattr(value, next(iter(vars(value))), 2)


@pytest.mark.parametrize(
    "value", [ACTIVATIONS["relu"], LOSSES["logistic"], Layer(1, 1, "relu"), Constant(1.0)], ids=str
)
def test_tables_and_layers_are_values(value):
    with pytest.raises(AttributeError):
        setattr(value, next(iter(vars(value))), 2)


@pytest.mark.parametrize("value", [True, False])
def test_flags(value):
    assert flag("x", value) is flag("x", np.bool_(value)) is value


@pytest.mark.parametrize("value", ["no", "", 0, 1, None, [], np.array([True])])
def test_what_is_no_flag(value):
    with pytest.raises(TypeError, match=r"^x must be True or False, got "):
        flag("x", value)


def test_paths():
    for given in ("run/net", Path("run/net")):
        assert file_path("p", given) == Path("run/net")
    for value in (None, 3, b"net", ["net"], True):
        with pytest.raises(TypeError, match=r"^p must be a path, a str or a pathlib.Path, got "):
            file_path("p", value)
    with pytest.raises(ValueError, match=r"^p must be a path, got an empty text$"):
        file_path("p", "")


FLAGS = {
    "nesterov": lambda v: gn.GradientDescent(0.1, 0.9, nesterov=v),
    "stairs": lambda v: gn.Exponential(0.1, stairs=v),
    "trainable": lambda v: gn.Dense(2, trainable=v),
    "center": lambda v: gn.Standardizer(center=v),
    "restore_best": lambda v: gn.EarlyStopping(restore_best=v),
    "best_only": lambda v: gn.SaveNetwork("net", best_only=v),
    "restart": lambda v: gn.Checkpoint("run", restart=v),
    "checkpoint's best_only": lambda v: gn.Checkpoint("run", best_only=v),
}
PATHS = (gn.SaveNetwork, gn.Checkpoint, gn.CSVLog, gn.JSONLog, gn.TensorBoardLog, gn.load)


@pytest.mark.parametrize("name", FLAGS)
def test_a_text_is_no_flag(name):
    """A Checkpoint with restart="no" would otherwise discard a run."""
    with pytest.raises(TypeError, match=f"^{name.split()[-1]} must be True or False, got 'no'"):
        FLAGS[name]("no")


@pytest.mark.parametrize("call", PATHS, ids=lambda call: call.__name__)
def test_what_is_no_path(call):
    with pytest.raises(TypeError, match=r"must be a path, a str or a pathlib\.Path, got None"):
        call(None)


def identity(xp, *arrays):
    return arrays[0]


OWN = {
    "name": (lambda: gn.Activation(3, identity, identity), TypeError, "name of an activation must be a str, got 3"),
    "empty name": (lambda: gn.Loss("", identity, identity), ValueError, "name of a loss must not be empty"),
    "forward": (lambda: gn.Activation("a", "sin", identity), TypeError, r"forward must be a function \(xp, Z\) -> A"),
    "backward": (lambda: gn.Activation("a", identity, None), TypeError, r"backward must be a function \(xp, dA, Z, A"),
    "low": (lambda: gn.Activation("a", identity, identity, "0"), TypeError, "low must be a number, got '0'"),
    "bounds": (lambda: gn.Activation("a", identity, identity, 1, 1), ValueError, "low=1 and high=1"),
    "no bound": (lambda: gn.Activation("a", identity, identity, high=math.nan), ValueError, "high=nan"),
    "value": (lambda: gn.Loss("l", 0, identity), TypeError, r"value must be a function \(xp, A, Y\) -> L"),
    "gradient": (lambda: gn.Loss("l", identity, 0), TypeError, r"gradient must be a function \(xp, A, Y\)"),
    "value_from_Z": (
        lambda: gn.Loss("l", identity, identity, "sigmoid", 3), TypeError, r"value_from_Z must be a function \(xp, Z, Y"
    ),
    "canonical": (lambda: gn.Loss("l", identity, identity, 3), TypeError, "canonical must be the name .* got 3"),
    "outputs": (
        lambda: gn.Loss("l", identity, identity, outputs={"softmax"}), TypeError, "outputs must be a frozenset"
    ),
    "initializer": (lambda: gn.Dense(2, initializer=3), TypeError, r"initializer must be a function \(rng"),
    "constant": (lambda: gn.Constant("0.1"), TypeError, "value must be a number, got '0.1'"),
    "infinite constant": (lambda: gn.Constant(math.inf), ValueError, "value must be a finite number, got inf"),
}  # fmt: skip


@pytest.mark.parametrize("case", OWN)
def test_functions_of_ones_own(case):
    make, error, said = OWN[case]
    with pytest.raises(error, match=said):
        make()


def test_functions_of_other_libraries():
    """As Keras and JAX take them."""
    with pytest.raises(
        TypeError, match=r"activation must be a name, or a gpunet\.Activation\(.*; got <ufunc 'tanh'>"
    ):
        gn.Dense(2, np.tanh)
    with pytest.raises(TypeError, match=r"loss must be a name, or a gpunet\.Loss\(name, value, gradient\)"):
        gn.Network([gn.Dense(2)], loss=identity)


def test_a_type_is_meant_by_its_name():
    known = ("float32", "float64")
    for given, meant in ((np.float32, "float32"), (np.dtype("float64"), "float64")):
        with pytest.raises(ValueError, match=rf"Did you mean '{meant}'\? Known: float32, float64"):
            known_name("dtype", given, known)
    with pytest.raises(ValueError, match=r"unknown dtype <class 'float'>\. Known"):
        known_name("dtype", float, known)


def test_functions_are_called_with_so_many_arguments():
    for takes in (lambda a, b: 0, lambda *all: 0, lambda a, b, c=1: 0, max):  # max does not tell
        function("update", takes, "(a, b) -> c", 2)
    for value, said in ((lambda a: 0, r"\(a\)$"), (lambda a, b, *, c: 0, r"\(a, b, \*, c\)$")):
        with pytest.raises(
            TypeError, match=rf"^update must be a function \(a, b\) -> c; the parameters of .* are {said}"
        ):
            function("update", value, "(a, b) -> c", 2)
    with pytest.raises(TypeError, match=r"^update must be a function \(a, b\) -> c, got 3$"):
        function("update", 3, "(a, b) -> c", 2)
    assert other_parameters(lambda a: 0, 1) is None


def test_names_in_a_list():
    assert texts("names", ["a", 1]) == texts("names", iter(("a", "1"))) == ("a", "1")
    for value in ("ab", 3, None):
        with pytest.raises(TypeError, match=r"^names must be a list of names, got "):
            texts("names", value)


def test_numbers_of_numpy_become_pythons():
    """JSON holds no others, and files of networks are written with it."""
    layer, dropout = gn.Dense(np.int64(3), "relu", trainable=np.False_), gn.Dropout(np.float32(0.25))
    assert (type(layer.units), type(layer.trainable), type(dropout.rate)) == (int, bool, float)
    assert (layer.units, layer.trainable, dropout.rate) == (3, False, 0.25)


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["large", "small"])
def test_integers_beyond_all_floats(value):
    with pytest.raises(ValueError, match=r"^learning_rate must be a finite number above 0, got -?1000"):
        gn.GradientDescent(value)
    assert number("low", value) == math.copysign(math.inf, value > 0 or -1)


def test_bytes_are_no_list_of_names():
    with pytest.raises(TypeError, match=r"^names must be a list of names, got b'ab'"):
        texts("names", b"ab")
