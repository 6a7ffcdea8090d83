"""Messages about layers that make no network: the hint fits the mistake, and only that one."""

import pytest

from gpunet.core.activations import Activation
from gpunet.core.architecture import dense_and_dropouts
from gpunet.core.initializers import Constant
from gpunet.core.layers import Dense
from gpunet.core.losses import Loss


@pytest.mark.parametrize(
    ("layer", "hint"),
    [
        ("tanh", " An activation belongs to its layer: Dense(10, 'tanh')."),
        ("dense", ""),
        (7, " Dense(7, 'relu') is a layer of 7 units."),
        (None, ""),
        ([3], ""),
    ],
)
def test_what_was_probably_meant(layer, hint):
    with pytest.raises(TypeError) as caught:
        dense_and_dropouts([layer])
    assert str(caught.value) == f"a layer must be a Dense or a Dropout, got {layer!r}.{hint}"


def test_one_layer_needs_no_list():
    assert dense_and_dropouts(Dense(3, "relu")) == dense_and_dropouts([Dense(3, "relu")])
    assert dense_and_dropouts(Dense(3, "relu"))[0] == (Dense(3, "relu"),)


def test_a_layer_knows_its_units_alone():
    with pytest.raises(TypeError, match=r"got Dense\(784, 128\), write Dense\(128, …\)$"):
        Dense(784, 128)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("xavier", "lecun_normal"),
        ("Xavier_uniform", "glorot_uniform"),
        ("xavier_normal", "glorot_normal"),
        ("he", "he_normal"),
        ("kaiming", "he_normal"),
        ("kaiming_normal", "he_normal"),
        ("kaiming_uniform", "he_uniform"),
    ],
)
def test_names_of_initializers_elsewhere(name, meant):
    with pytest.raises(
        ValueError, match=rf"unknown initializer '{name}'\. It is '{meant}' here: .*\. Known: "
    ):
        Dense(3, "relu", name)


@pytest.mark.parametrize("value", [Constant, lambda shape: 0.0])
def test_initializers_that_cannot_be_called(value):
    with pytest.raises(
        TypeError, match=r"^initializer must be a function \(rng, n_out, n_in\) -> W, or the name of one; the"
    ):
        Dense(3, "relu", value)


def test_functions_of_ones_own_with_other_parameters():
    two, three, four = (lambda a, b: a), (lambda a, b, c: a), (lambda a, b, c, d: a)
    Activation("own", two, four)
    Loss("own", three, three, value_from_Z=three)
    for build, name in (
        (lambda: Activation("own", three, four), "forward"),
        (lambda: Activation("own", two, three), "backward"),
        (lambda: Loss("own", two, three), "value"),
        (lambda: Loss("own", three, four), "gradient"),
        (lambda: Loss("own", three, three, value_from_Z=two), "value_from_Z"),
    ):
        with pytest.raises(TypeError, match=rf"^{name} must be a function .*; the parameters of "):
            build()
