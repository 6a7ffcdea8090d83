"""Runs that end before their time: divergence, interrupts, callbacks that raise, no memory."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.program import Program
from gpunet.core.reference import Reference

M, N = 12, 3

pytestmark = pytest.mark.filterwarnings("ignore::gpunet.UnscaledInputs")


@pytest.fixture
def data(rng):
    X = rng.normal(size=(M, N)).astype("float32")
    return X, (X @ [1.0, -2.0, 0.5])[:, None].astype("float32")


def network(name, **more):
    return gn.Network([gn.Dense(4, "relu"), gn.Dense(1)], inputs=N, seed=0, backend=name, **more)


def host(net):
    return [np.array(net.placement.backend.to_host(p)) for pair in net.parameters for p in pair]


@pytest.mark.parametrize(
    ("optimizer", "batch_size"),
    [
        (gn.GradientDescent(1e6), 1),
        (gn.GradientDescent(30.0, momentum=0.5), 5),
        (gn.GradientDescent(1e6), 5),
        (gn.GradientDescent(30.0), None),
    ],
)
def test_a_rate_that_explodes(backend, data, batch_size, optimizer):
    X, y = data
    net = network(backend.name)
    with pytest.raises(gn.Diverged) as caught:  # and no warning, which pytest would make an error
        net.fit(X, y, optimizer=optimizer, epochs=60, batch_size=batch_size, shuffle=False)
    error = caught.value
    steps = -(-M // (batch_size or M))
    assert 1 <= error.epoch <= 60
    assert 1 <= error.step <= steps
    assert f"epoch {error.epoch}, step {error.step} of {steps}" in str(error)
    assert "learning_rate" in str(error)
    assert all(np.isfinite(p).all() for p in host(net))
    assert net.epochs_trained in (error.epoch - 1, error.epoch - 2)
    # The loss of the step before the one that is named was finite.
    size = batch_size or M
    at = ((error.epoch - 1) * steps + error.step - 2) % steps * size
    if error.epoch > 1 or error.step > 1:
        assert np.isfinite(net.evaluate(X[at : at + size], y[at : at + size])["loss"])


def by_hand(X, y, rate, size, updates):
    """Weights after each update of a float32 run on NumPy, without shuffling."""
    net = network("numpy")
    seen = [host(net)]
    starts = range(0, M, size)
    for t in range(updates):
        i = starts[t % len(starts)]
        with np.errstate(all="ignore"):
            _, gradients = net.gradients(X[i : i + size], y[i : i + size])
            new = [
                (W - np.float32(rate) * dW, b - np.float32(rate) * db)
                for (W, b), (dW, db) in zip(net.parameters, gradients, strict=True)
            ]
        if not all(np.isfinite(p).all() for pair in new for p in pair):
            break
        net.set_parameters(new)
        seen.append(host(net))
    return seen


@pytest.mark.parametrize("size", [1, 5, 12])
def test_the_kept_weights_are_those_before_the_update_that_broke_it(data, size):
    X, y = data
    net = network("numpy")
    with pytest.raises(gn.Diverged) as caught:
        net.fit(X, y, optimizer=gn.GradientDescent(100.0), epochs=60, batch_size=size, shuffle=False)
    steps = -(-M // size)
    named = (caught.value.epoch - 1) * steps + caught.value.step - 1  # updates before the named step
    seen = by_hand(X, y, 100.0, size, 60 * steps)
    kept = host(net)
    behind = [
        t
        for t, weights in enumerate(seen)
        if all(np.allclose(a, b) for a, b in zip(weights, kept, strict=True))
    ]
    assert behind
    assert behind[-1] in (named - 1, named)  # `named`: where weights broke, but no loss had yet


@pytest.mark.parametrize("row", [2, 3, 7])
def test_an_update_that_breaks_late_in_an_epoch(backend, data, row):
    """One example is enormous: its step is named, and what was learnt before it is kept."""
    X, y = (np.array(a) for a in data)
    X[row] *= 1e25
    net, short = network(backend.name), network(backend.name)
    with pytest.raises(gn.Diverged) as caught:
        net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=3, batch_size=1, shuffle=False)
    assert caught.value.epoch == 1
    assert caught.value.step == row + 1  # its squared error overflows
    short.fit(
        X[: row - 1], y[: row - 1], optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=1, shuffle=False
    )
    for a, b in zip(host(net), host(short), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_weights_that_break_in_the_very_last_update(backend, data):
    """No loss has seen them yet, and still they are not kept."""
    X, y = (np.array(a) for a in data)
    X[-1] *= 1e15
    net = gn.Network([gn.Dense(1)], inputs=N, seed=0, backend=backend.name)
    start = host(net)
    with pytest.raises(gn.Diverged) as caught:
        net.fit(X, y, optimizer=gn.GradientDescent(1e15), epochs=1, batch_size=None)
    assert (caught.value.epoch, caught.value.step) == (1, 1)
    assert all(np.array_equal(a, b) for a, b in zip(start, host(net), strict=True))


def test_training_goes_on_after_divergence(backend, data):
    X, y = data
    net = network(backend.name)
    with pytest.raises(gn.Diverged):
        net.fit(X, y, optimizer=gn.GradientDescent(1e6), epochs=60, batch_size=5)
    net.set_parameters(network(backend.name).parameters)
    history = net.fit(X, y, optimizer=gn.GradientDescent(0.05), epochs=5, batch_size=5)
    assert history.loss[-1] < history.loss[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupt_leaves_the_last_whole_epoch(backend, data, monkeypatch, error):
    X, y = data
    net, other = network(backend.name), network(backend.name)
    optimizer = gn.GradientDescent(0.05, momentum=0.9)
    other.fit(X, y, optimizer=optimizer, epochs=2, batch_size=5)
    program_for = type(backend).program_for
    calls = []

    def interrupted(self, plan, device):
        program, reason = program_for(self, plan, device)
        program = program or Reference(self.namespace(), plan)

        class Interrupted(Program):
            name = program.name

            def __call__(self, state, inputs):
                calls.append(inputs.examples)
                if len(calls) == 3:
                    raise error
                return program(state, inputs)

        return Interrupted(plan), reason

    monkeypatch.setattr(type(backend), "program_for", interrupted)
    with pytest.raises(error):
        net.fit(X, y, optimizer=optimizer, epochs=10, batch_size=5)
    monkeypatch.undo()
    assert net.epochs_trained == 2
    net.fit(X, y, optimizer=optimizer, epochs=1, batch_size=5)
    other.fit(X, y, optimizer=optimizer, epochs=1, batch_size=5)
    assert all(np.array_equal(a, b) for a, b in zip(host(net), host(other), strict=True))


def test_a_callback_that_raises(data):
    X, y = data
    net, other = network("numpy"), network("numpy")

    def cross(network, history):
        if history.epochs == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=10, callbacks=[cross], batch_size=5)
    other.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=2, batch_size=5)
    assert net.epochs_trained == 2
    assert all(np.array_equal(a, b) for a, b in zip(host(net), host(other), strict=True))


def test_no_memory(backend, data, monkeypatch):
    X, y = data
    net = network(backend.name)
    before = host(net)

    class OutOfRoom(Program):
        name = "out of room"

        def __call__(self, state, inputs):
            raise MemoryError("3 TiB")

    monkeypatch.setattr(type(backend), "program_for", lambda self, plan, device: (OutOfRoom(plan), ""))
    with pytest.raises(gn.OutOfMemory, match="ran out of memory in an update with batch_size=5") as caught:
        net.fit(X, y, batch_size=5)
    assert "3 TiB" in str(caught.value)
    assert isinstance(caught.value, MemoryError)
    assert all(np.array_equal(a, b) for a, b in zip(before, host(net), strict=True))


def test_predictions_of_huge_weights_warn_nobody(backend, data):
    X, _ = data
    net = gn.Network([gn.Dense(3, "gelu"), gn.Dense(2, "softmax")], inputs=N, seed=0, backend=backend.name)
    net.set_parameters(
        [(p * np.float32(1e25), b) for p, b in zip(host(net)[::2], host(net)[1::2], strict=True)]
    )
    net.predict(X)
    net.evaluate(X, [0, 1] * 6)
    net.gradients(X, [0, 1] * 6)
