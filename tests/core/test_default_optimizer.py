"""The default optimizer, optimizers by name, and what is said where neither is meant."""

import pytest

import gpunet
from gpunet import Adam, AdamW, GradientDescent, RMSprop
from gpunet.core.default_optimizer import chosen_optimizer, default_optimizer, default_rate
from gpunet.core.optimizers import OPTIMIZERS


@pytest.mark.parametrize(
    ("name", "behind_relu", "behind_sigmoid"),
    [
        (None, Adam(2e-3), Adam(5e-3)),
        ("adam", Adam(2e-3), Adam(5e-3)),
        ("adamw", AdamW(2e-3), AdamW(5e-3)),
        ("rmsprop", RMSprop(1e-3), RMSprop(2.5e-3)),
        ("gradient_descent", GradientDescent(0.5, momentum=0.9), GradientDescent(0.5, momentum=0.9)),
        ("sgd", GradientDescent(0.5, momentum=0.9), GradientDescent(0.5, momentum=0.9)),
        ("GradientDescent", GradientDescent(0.5, momentum=0.9), GradientDescent(0.5, momentum=0.9)),
        ("Gradient-Descent", GradientDescent(0.5, momentum=0.9), GradientDescent(0.5, momentum=0.9)),
    ],
)
def test_rates_depend_on_the_hidden_activations(name, behind_relu, behind_sigmoid):
    for hidden in ([], ["relu"], ["tanh", "relu"]):
        assert chosen_optimizer(name, hidden) == behind_relu
    for hidden in (["sigmoid"], ["relu", "sigmoid"]):
        assert chosen_optimizer(name, hidden) == behind_sigmoid


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_a_rate(name):
    assert default_rate(name, ["relu"]) > 0


class SGD:
    """Another library's."""


class RMSProp:
    """Another library's."""


class Lion:
    """One that there is not here."""


@pytest.mark.parametrize(
    ("given", "meant"),
    [(SGD, "GradientDescent"), (RMSProp, "RMSprop"), (Lion, "Adam"), (GradientDescent, "GradientDescent")],
)
def test_a_class_is_answered_with_the_optimizer_of_that_name(given, meant):
    near = getattr(gpunet, meant)
    with pytest.raises(TypeError) as caught:
        chosen_optimizer(given, [])
    assert f"such as gpunet.{meant}(learning_rate={near().learning_rate}), got" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("adams", "Adam"),
        ("RMS-Prob", "RMSprop"),
        ("lion", "Adam"),
        ("gradients", "GradientDescent"),
        ("momentum", "GradientDescent"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(given, meant):
    with pytest.raises(ValueError) as caught:
        chosen_optimizer(given, [])
    said = str(caught.value)
    assert said.startswith(f"optimizer must be one of {', '.join(OPTIMIZERS)}, or an object such as")
    assert f"gpunet.{meant}(" in said and said.endswith(f"got {given!r}")


@pytest.mark.parametrize(("size", "factor"), [(1, 1), (4, 1), (16, 0.5), (64, 0.25)])
@pytest.mark.parametrize(("hidden", "rate"), [(["relu"], 2e-3), (["tanh", "sigmoid"], 5e-3)])
def test_large_inputs_get_a_smaller_rate(size, factor, hidden, rate):
    assert default_optimizer(hidden, size) == Adam(rate * factor)
