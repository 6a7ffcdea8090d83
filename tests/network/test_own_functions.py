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
from gpunet_cupy.programs import BlockedSGD, MiniBatch, PersistentBlockedSGD, PersistentKernel
from own_functions import QUARTIC, RATIO, SINE, Halving, Sign, Warming, network


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
