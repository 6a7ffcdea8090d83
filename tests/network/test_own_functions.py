"""Activations, losses and optimizers of the user's own: right gradients, the same on every backend, never ignored."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.losses import LOSSES
from gpunet.core.plan import Layer, Plan
from gpunet.core.poisson import EXP, POISSON
from gpunet_cupy.programs import BlockedSGD, MiniBatch, PersistentBlockedSGD, PersistentKernel
from small_networks import host

# Twins of gpunet's own would hide a program that ignores them: these are functions that no program knows.
SINE = gn.Activation("sine", lambda xp, Z: xp.sin(Z), lambda xp, dA, Z, A: dA * xp.cos(Z), -1.0, 1.0)
RATIO = gn.Activation(
    "ratio",
    lambda xp, Z: 0.5 + 0.5 * Z / (1.0 + xp.abs(Z)),
    lambda xp, dA, Z, A: dA * 0.5 / (1.0 + xp.abs(Z)) ** 2,
    0.0,
    1.0,
)
QUARTIC = gn.Loss("quartic", lambda xp, A, Y: (A - Y) ** 4, lambda xp, A, Y: 4.0 * (A - Y) ** 3)


@dataclass(frozen=True)
class Sign(gn.Optimizer):
    """Signed descent with a memory, and a rate of its own."""

    learning_rate: float = 0.01
    memory: float = 0.5
    slots = 1

    def coefficients(self, step, planned, updates):
        return (self.learning_rate / (1 + updates), self.memory)

    def update(self, xp, theta, gradient, slots, c):
        v = c[1] * slots[0] + gradient
        return theta - c[0] * xp.sign(v), (v,)


@dataclass(frozen=True)
class Warming(gn.GradientDescent):
    """Inherits everything but its rate."""

    def coefficients(self, step, planned, updates):
        return (self.learning_rate * (updates + 1),)


class Halving(gn.Adam):
    def update(self, xp, theta, gradient, slots, c):
        return 0.5 * theta, slots


def network(backend="numpy", hidden=SINE, output="identity", loss=QUARTIC, dtype="float64"):
    layers = [gn.Dense(5, hidden), gn.Dense(2, output)]
    return gn.Network(layers, loss=loss, inputs=3, seed=0, backend=backend, dtype=dtype)


@pytest.fixture
def data(rng):
    return rng.standard_normal((12, 3)), rng.standard_normal((12, 2))


@pytest.mark.parametrize(
    ("hidden", "output", "loss"),
    [
        (SINE, "identity", QUARTIC),
        ("tanh", SINE, "squared_error"),
        (SINE, RATIO, "logistic"),
        (RATIO, "softmax", QUARTIC),
        (SINE, "softmax", "cross_entropy"),
    ],
)
def test_gradients(hidden, output, loss, data):
    X, Y = data
    Y = np.abs(np.tanh(Y))
    Y = Y / Y.sum(axis=1, keepdims=True)
    net = network(hidden=hidden, output=output, loss=loss)
    _, gradients = net.gradients(X, Y)
    parameters = net.parameters
    for l, pair in enumerate(parameters):
        for k, theta in enumerate(pair):
            for place in np.ndindex(theta.shape):
                costs = []
                for step in (1e-5, -1e-5):
                    moved = [[p.copy() for p in one] for one in parameters]
                    moved[l][k][place] += step
                    net.set_parameters(moved)
                    costs.append(net.evaluate(X, Y)["loss"])
                assert_allclose((costs[0] - costs[1]) / 2e-5, gradients[l][k][place], rtol=1e-6, atol=1e-9)


def by_hand(parameters, X, Y, optimizer, steps, batch):
    """The same training, written out for SINE, identity and QUARTIC."""
    xp = np
    (W1, b1), (W2, b2) = ((W.copy(), b.copy()) for W, b in parameters)
    theta = [W1, b1, W2, b2]
    slots = [tuple(np.zeros_like(p) for _ in range(optimizer.slots)) for p in theta]
    for t in range(steps):
        rows = slice(t * batch % len(X), t * batch % len(X) + batch)
        x, y = X[rows].T, Y[rows].T
        Z1 = theta[0] @ x + theta[1]
        A1 = np.sin(Z1)
        delta2 = 4 * (theta[2] @ A1 + theta[3] - y) ** 3 / batch
        delta1 = theta[2].T @ delta2 * np.cos(Z1)
        gradients = [
            delta1 @ x.T, delta1.sum(1, keepdims=True), delta2 @ A1.T, delta2.sum(1, keepdims=True)
        ]  # fmt: skip
        c = optimizer.coefficients(t, steps, t)
        new = [optimizer.update(xp, p, g, s, c) for p, g, s in zip(theta, gradients, slots, strict=True)]
        theta, slots = [p for p, _ in new], [s for _, s in new]
    return theta


@pytest.mark.parametrize(
    "optimizer", [Sign(), Warming(0.01), Halving(0.01), gn.GradientDescent(0.01)], ids=repr
)
def test_training_is_what_was_written(backend, optimizer, data):
    X, Y = data
    net = network(backend.name)
    to_host = net.placement.backend.to_host
    start = [(to_host(W).copy(), to_host(b).copy()) for W, b in net.parameters]
    net.fit(X, Y, optimizer=optimizer, epochs=2, batch_size=4, shuffle=False)
    found = [to_host(p) for pair in net.parameters for p in pair]
    for ours, expected in zip(found, by_hand(start, X, Y, optimizer, 6, 4), strict=True):
        assert_allclose(ours, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("batch_size", [1, 32, 4000])
@pytest.mark.parametrize(
    "own",
    [
        {"hidden": SINE, "loss": "squared_error"},
        {"hidden": "tanh", "loss": QUARTIC},
        # Canonical by its own word: programs must not take it for the loss that they know.
        {"hidden": "tanh", "loss": dataclasses.replace(QUARTIC, name="theirs", canonical="identity")},
        {"hidden": "tanh", "loss": "squared_error", "output": SINE},
    ],
)
def test_no_compiled_program_takes_them(own, batch_size, rng):
    """Large enough that every plan of gpunet's own is compiled."""
    X, Y = rng.random((4000, 3), dtype="float32"), rng.random((4000, 2), dtype="float32")
    history = network(dtype="float32", **own).fit(
        X, Y, optimizer=gn.GradientDescent(0.01), batch_size=batch_size, epochs=2
    )
    assert "compiled" not in history.program
    built_in = network(dtype="float32", hidden="tanh", loss="squared_error").fit(
        X, Y, optimizer=gn.GradientDescent(0.01), batch_size=1, epochs=2
    )
    assert "compiled" in built_in.program


@pytest.mark.parametrize(
    "program",
    [PersistentBlockedSGD, BlockedSGD, PersistentKernel, MiniBatch],
    ids=lambda program: program.name,
)
def test_no_cuda_program_takes_them(program, monkeypatch):
    monkeypatch.setattr("gpunet_cupy.programs.blocked.shared_limit", lambda device: 200_000)

    def reason(**changes):
        chosen = {"hidden": "relu", "output": "identity", "loss": "squared_error", "batch": 1} | changes
        layers = (Layer(32, 32, chosen["hidden"]), Layer(32, 4, chosen["output"]))
        optimizer = chosen.get("optimizer", gn.GradientDescent(0.1))
        return program.unsupported_reason(
            Plan(layers, chosen["loss"], optimizer, 4096, chosen["batch"]), "cuda:0"
        )

    theirs = dataclasses.replace(QUARTIC, canonical="identity")
    for batch in (1, 32):
        for own in (
            {"hidden": SINE},
            {"output": SINE},
            {"loss": QUARTIC},
            {"loss": theirs},
            {"optimizer": Sign()},
        ):
            assert reason(batch=batch, **own)
        assert reason(optimizer=Warming(0.1), batch=batch)


def test_predictions_of_large_networks(rng):
    """The compiled forward pass is not for them."""
    layers = [gn.Dense(400, SINE), gn.Dense(2)]
    net = gn.Network(layers, inputs=300, seed=0, backend="numpy", dtype="float64")
    X = rng.standard_normal((5, 300))
    (W1, b1), (W2, b2) = net.parameters
    assert_allclose(net.predict(X), (W2 @ np.sin(W1 @ X.T + b1) + b2).T, rtol=1e-10)


def test_files_name_them_and_say_what_load_needs(tmp_path, data):
    X, Y = data
    net = network()
    net.fit(X, Y, epochs=1)
    path = tmp_path / "own.safetensors"
    with pytest.warns(gn.FunctionsNotSaved, match=r"'quartic', 'sine'.*own=") as caught:
        net.save(path)
    assert caught[0].filename == __file__
    again = gn.load(path, own=[SINE, QUARTIC])
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert (again.loss, again.activations) == (QUARTIC, (SINE, "identity"))
    with pytest.raises(gn.FileRefused, match=r"activation 'sine'.*own=\[gpunet.Activation\('sine'"):
        gn.load(path, own=[QUARTIC])
    with pytest.raises(gn.FileRefused, match=r"loss 'quartic'.*own=\[gpunet.Loss\('quartic'"):
        gn.load(path, own=[SINE])


def test_two_of_one_name_are_not_saved(tmp_path):
    other = dataclasses.replace(SINE, low=-2.0)
    net = gn.Network([gn.Dense(2, SINE), gn.Dense(2, other)], inputs=2, backend="numpy")
    with pytest.raises(ValueError, match=r"'sine'.*its own name"):
        net.save(tmp_path / "net")
    assert not (tmp_path / "net").exists()


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


def test_an_optimizer_without_slots(data):
    """As in the documentation of `Optimizer`: there is nothing to keep."""

    @dataclass(frozen=True)
    class Plain(gn.Optimizer):
        learning_rate: float = 0.01

        def update(self, xp, theta, gradient, slots, c):
            assert slots == ()
            return theta - c[0] * gradient, ()

    assert Plain().slots == 0
    ours, known = network(), network()
    ours.fit(*data, optimizer=Plain(), epochs=2)
    known.fit(*data, optimizer=gn.GradientDescent(0.01), epochs=2)
    assert_allclose(ours.predict(data[0]), known.predict(data[0]), rtol=1e-12)


def test_what_is_no_name_stands_in_no_table():
    for table in (ACTIVATIONS, LOSSES):
        with pytest.raises(KeyError, match="hinge"):
            table["hinge"]
    assert ACTIVATIONS[SINE] is SINE and LOSSES[QUARTIC] is QUARTIC


def test_what_is_printed():
    net = network()
    assert "quartic" in repr(net)
    assert "1 sine" in net.summary() and "lambda" not in net.summary()


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


def test_numbers_of_numpy_do_not_make_float64_of_the_weights(rng):
    """A factor of np.float64, as a search has it, would: the reference multiplies float32 arrays with it."""
    X, Y = rng.random((8, 3), "float32"), rng.random((8, 2), "float32")
    half, tenth = np.float64(0.5), np.float64(0.1)
    for of_numpy, own in [
        (gn.GradientDescent(tenth, half, weight_decay=tenth), gn.GradientDescent(0.1, 0.5, weight_decay=0.1)),
        (gn.RMSprop(tenth, half, tenth, clip_norm=half), gn.RMSprop(0.1, 0.5, 0.1, clip_norm=0.5)),
        (gn.Adam(tenth, half, half, tenth), gn.Adam(0.1, 0.5, 0.5, 0.1)),
        (gn.AdamW(tenth, weight_decay=half), gn.AdamW(0.1, weight_decay=0.5)),
    ]:
        one, two = (network(dtype="float32") for _ in range(2))
        one.fit(X, Y, optimizer=of_numpy, epochs=3, batch_size=4)
        two.fit(X, Y, optimizer=own, epochs=3, batch_size=4)
        assert of_numpy == own
        for a, b in zip(one.parameters, two.parameters, strict=True):
            for p, q in zip(a, b, strict=True):
                assert p.dtype == np.float32
                np.testing.assert_array_equal(p, q)


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


def test_files_of_networks_for_counts_are_whole(tmp_path, data):
    """gpunet's own functions that no name stands for need no definition; one of the user's of that name does."""
    net = gn.Network([gn.Dense(2, EXP)], POISSON, inputs=3, backend="numpy", seed=0)
    net.save(tmp_path / "net")
    again = gn.load(tmp_path / "net")
    assert (again.loss, again.layers[-1].activation) == (POISSON, EXP)
    X = np.ones((2, 3))
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    other = dataclasses.replace(SINE, name="exp")
    net = gn.Network([gn.Dense(2, other), gn.Dense(2, EXP)], POISSON, inputs=3, backend="numpy", seed=0)
    with pytest.warns(gn.FunctionsNotSaved, match="names 'exp' only"):
        net.save(tmp_path / "net")
    with pytest.raises(gn.FileRefused, match="the activation 'exp'"):
        gn.load(tmp_path / "net")
    assert gn.load(tmp_path / "net", own=[other]).activations == (other, EXP)


@pytest.mark.parametrize("kind", [SINE, QUARTIC], ids=lambda one: one.name)
def test_names_that_are_gpunets_own_in_files(kind):
    with pytest.raises(ValueError, match=r"names that begin with 'gpunet\.' are gpunet's own"):
        dataclasses.replace(kind, name="gpunet.exp")
