"""Functions of a user's own that cannot be used: refused before the run, with what to change."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.losses import LOSSES
from own_functions import QUARTIC, RATIO, SINE, network
from small_networks import host


def test_names_that_are_taken():
    with pytest.raises(ValueError, match=r"^activation 'relu': this name is taken"):
        gn.Dense(2, dataclasses.replace(SINE, name="relu"))
    with pytest.raises(ValueError, match=r"^loss 'logistic': this name is taken"):
        network(loss=dataclasses.replace(QUARTIC, name="logistic"))
    # gpunet's own, passed as an object, is gpunet's own.
    assert gn.Dense(2, ACTIVATIONS["relu"]) == gn.Dense(2, "relu")
    assert network(loss=LOSSES["squared_error"]).loss == "squared_error"


def test_an_unknown_initializer():
    with pytest.raises(ValueError, match="unknown initializer 'he'"):
        gn.Dense(2, dataclasses.replace(SINE, initializer="he"))


def test_a_loss_of_probabilities_wants_outputs_between_0_and_1():
    assert network(output=RATIO, loss="logistic").loss == "logistic"
    for low, high in ((-1.0, 1.0), (-0.1, 1.0), (0.0, 1.1)):
        beyond = dataclasses.replace(RATIO, low=low, high=high)
        with pytest.raises(ValueError, match="logistic needs an output between 0 and 1"):
            network(output=beyond, loss="logistic")


def test_targets_out_of_reach(data):
    X, Y = data
    with pytest.raises(ValueError, match="a sine output with quartic loss can't reach"):
        network(output=SINE).fit(X, 10 + Y)


def test_an_optimizer_is_a_value(data):
    @dataclass
    class Changing(gn.Optimizer):
        learning_rate: float = 0.1

        def update(self, xp, theta, gradient, slots, c):
            return theta, ()

    with pytest.raises(TypeError, match="frozen=True"):
        network().fit(*data, optimizer=Changing())
    with pytest.raises(TypeError, match="abstract"):
        gn.Optimizer()


def first_row(xp, *arrays):
    return arrays[0][:1, :]


def same(xp, *arrays):
    return arrays[0]


WRONG_SHAPES = {
    "forward of activation 'own'": (gn.Activation("own", first_row, same), None),
    "backward of activation 'own'": (gn.Activation("own", same, first_row), None),
    "value of loss 'mine'": ("relu", gn.Loss("mine", first_row, same)),
    "gradient of loss 'mine'": ("relu", gn.Loss("mine", same, first_row)),
}


@pytest.mark.parametrize("said", WRONG_SHAPES)
def test_wrong_shapes_are_refused_before_the_run(backend, said):
    """A gradient of shape (1, m) would be broadcast, and the network would learn something else."""
    activation, loss = WRONG_SHAPES[said]
    layers = [gn.Dense(3, activation), gn.Dense(2, "identity")]
    net = gn.Network(layers, loss=loss, seed=0, backend=backend.name)
    wanted = rf"^{said} must give an array of its argument's shape, .* gave shape \(1, 2\)"
    with pytest.raises(ValueError, match=wanted):
        net.fit([[0.0], [1.0]], [[0.0, 1.0], [1.0, 0.0]], epochs=1)
    assert net.inputs is None


def test_no_array_is_no_activation():
    own = gn.Activation("own", lambda xp, Z: None, same)
    with pytest.raises(ValueError, match=r"forward of activation 'own' must give .* it gave no array"):
        gn.Network([gn.Dense(1, own)], backend="numpy").fit([[0.0], [1.0]], [0.0, 1.0], epochs=1)


@pytest.mark.parametrize(
    ("given", "error"),
    [("fast", TypeError), (None, TypeError), (-0.1, ValueError), (float("nan"), ValueError)],
)
def test_a_schedule_that_gives_no_rate(given, error):
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    with pytest.raises(error, match=r"a schedule must give a finite number of at least 0; .* for step 0"):
        net.fit([[0.0], [1.0]], [0.0, 1.0], optimizer=gn.Adam(lambda step, planned: given), epochs=1)
    assert net.epochs_trained == 0


@pytest.mark.parametrize("given", [np.zeros((2, 2)), "x", [[1.0], [1.0, 2.0]]])
def test_an_initializer_of_a_wrong_shape(given):
    net = gn.Network([gn.Dense(3, initializer=lambda rng, n_out, n_in: given)], inputs=4, backend="numpy")
    with pytest.raises(
        ValueError, match=r"layer 1: the initializer .* must give numbers of shape \(3, 4\), or one"
    ):
        _ = net.parameters


def test_an_optimizer_without_a_learning_rate():
    class Still(gn.Optimizer):
        def update(self, xp, theta, gradient, slots, c):
            return theta, ()

    net = gn.Network([gn.Dense(1)], backend="numpy")
    with pytest.raises(TypeError, match="an optimizer needs a field learning_rate"):
        net.fit([[0.0], [1.0]], [0.0, 1.0], optimizer=Still(), epochs=1)


def test_a_function_that_returns_no_blocks():
    net = gn.Network([gn.Dense(1)], backend="numpy")
    with pytest.raises(
        TypeError, match=r"X must return a generator of blocks \(X, y\), .* it returned NoneType"
    ):
        net.fit(lambda: None, epochs=1)


def test_a_callback_with_other_parameters():
    net = gn.Network([gn.Dense(1)], backend="numpy")
    with pytest.raises(
        TypeError, match=r"called as callback\(network, history\); the parameters of .* are \(net\)"
    ):
        net.fit([[0.0], [1.0]], [0.0, 1.0], callbacks=lambda net: None, epochs=1)
    assert net.epochs_trained == 0
    net.fit([[0.0], [1.0]], [0.0, 1.0], callbacks=lambda *both: None, epochs=1)


def test_functions_that_would_change_the_dtype_are_refused_before_the_run(backend):
    """A network of float32 would be one of float64, or the library's own error would say so in the middle."""
    own = gn.Activation("wide", lambda xp, Z: xp.astype(Z, xp.float64), lambda xp, dA, Z, A: dA)
    net = network(backend.name, own, loss="squared_error", dtype="float32")
    before = host(net)
    with pytest.raises(
        ValueError, match=r"forward of activation 'wide' must give .*float32 here; it gave .*float64"
    ):
        net.fit(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"), epochs=1)
    assert net.epochs_trained == 0
    assert all(np.array_equal(a, b) for a, b in zip(before, host(net), strict=True))


def test_an_optimizer_that_writes_into_the_weights_is_refused(data):
    @dataclass(frozen=True)
    class InPlace(gn.Optimizer):
        learning_rate: float = 0.1

        def update(self, xp, theta, gradient, slots, c):
            theta -= c[0] * gradient
            return theta, ()

    net = network()
    before = net.parameters
    with pytest.raises(ValueError, match=r"update of .*InPlace\(learning_rate=0.1.* must not write"):
        net.fit(*data, optimizer=InPlace(), epochs=1)
    for a, b in zip(before, net.parameters, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
