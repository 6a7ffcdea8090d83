"""Callbacks that set the network's weights, and those that are started beside one that fails."""

import numpy as np
import pytest

import gpunet as gn
from broken_runs import killed_after
from checkpoint_runs import wait_for_the_writer
from small_networks import K, N, host, network, same, small_data
from thread_team import on_ranks


@pytest.fixture
def data(rng):
    return small_data(rng)


class Shrink:
    """Keeps each row of a W within a length, as Srivastava et al. (2014) do with dropout."""

    def __init__(self, longest=0.3):
        self.longest = longest

    def __call__(self, net, history):
        to_host = net.placement.backend.to_host
        net.set_parameters([(self.within(to_host(W)), b) for W, b in net.parameters])

    def within(self, W):
        norms = np.sqrt((W.astype("float64") ** 2).sum(axis=1, keepdims=True))
        return (W * np.minimum(1.0, self.longest / np.maximum(norms, 1e-12))).astype(W.dtype)


def by_hand(parameters, X, y, epochs, batch_size, rate, beta, shrink):
    """Gradient descent with momentum on tanh and softmax; the weights shrink after each epoch."""
    theta = [p.astype("float64") for p in parameters]
    v = [np.zeros_like(p) for p in theta]
    Y = np.eye(K)[y].T
    for _ in range(epochs):
        for first in range(0, len(X), batch_size):
            x, t = X[first : first + batch_size].T.astype("float64"), Y[:, first : first + batch_size]
            W1, b1, W2, b2 = theta
            A1 = np.tanh(W1 @ x + b1)
            Z2 = W2 @ A1 + b2
            A2 = np.exp(Z2) / np.exp(Z2).sum(axis=0)
            d2 = (A2 - t) / x.shape[1]
            d1 = (W2.T @ d2) * (1 - A1**2)
            gradients = [d1 @ x.T, d1.sum(1, keepdims=True), d2 @ A1.T, d2.sum(1, keepdims=True)]
            v = [beta * slot + (1 - beta) * g for slot, g in zip(v, gradients, strict=True)]
            theta = [p - rate * slot for p, slot in zip(theta, v, strict=True)]
        theta = [shrink.within(p) if i % 2 == 0 else p for i, p in enumerate(theta)]
    return theta


OPTIMIZER = gn.GradientDescent(0.4, momentum=0.8)


def test_the_next_epoch_begins_with_weights_that_a_callback_sets(backend, data):
    """The optimizer keeps its slots. They count in a further call of fit as well."""
    X, y = data
    net, halves = network(backend), network(backend)
    start = host(net)
    given = {"optimizer": OPTIMIZER, "batch_size": 5, "shuffle": False, "callbacks": Shrink()}
    net.fit(X, y, epochs=4, **given)
    wanted = by_hand(start, X, y, 4, 5, 0.4, 0.8, Shrink())
    for found, expected in zip(host(net), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    without = network(backend)
    without.fit(X, y, epochs=4, **{**given, "callbacks": ()})
    assert not np.allclose(host(net)[0], host(without)[0], rtol=1e-2)
    for _ in range(2):
        halves.fit(X, y, epochs=2, **given)
    assert same(net, halves)


@pytest.mark.parametrize("progress", [False, True])
def test_plain_descent_to_the_bit(data, progress):
    """As a call of fit for each epoch, and the weights set between them."""
    X, y = data
    net, calls, shrink = network("numpy"), network("numpy"), Shrink()
    given = {"optimizer": gn.GradientDescent(0.3), "batch_size": 4}
    history = net.fit(X, y, epochs=5, callbacks=shrink, progress=progress, **given)
    losses = []
    for _ in range(5):
        losses += calls.fit(X, y, epochs=1, **given).loss
        shrink(calls, None)
    assert same(net, calls)
    assert history.loss == losses
    assert net.epochs_trained == 5


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_run_with_checkpoints_goes_on_with_them(data, tmp_path, monkeypatch, calls):
    X, y = data
    given = {"optimizer": gn.Adam(0.05), "epochs": 5, "batch_size": 5}

    def fit(folder):
        net = network("numpy")
        checkpoint = gn.Checkpoint(tmp_path / folder, every="epoch")
        net.fit(X, y, **given, callbacks=[Shrink(), wait_for_the_writer], checkpoint=checkpoint)
        return net

    whole = fit("whole")
    assert killed_after(calls, monkeypatch, lambda: fit("parts"))
    assert same(fit("parts"), whole)


def test_on_all_ranks_of_a_team(data):
    """Callbacks are rank 0's alone."""
    X, y = data

    def run(team):
        net = network("numpy")
        net.fit(X, y, optimizer=OPTIMIZER, epochs=3, batch_size=8, callbacks=Shrink(), team=team)
        return [p.tolist() for p in host(net)]

    alone = run(gn.Team("alone"))
    assert on_ranks(2, run) == [alone] * 2
    net = network("numpy")
    net.fit(X, y, optimizer=OPTIMIZER, epochs=3, batch_size=8, callbacks=Shrink())
    for found, expected in zip(alone, host(net), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


class Add:
    """Adds a number to the biases of one layer."""

    def __init__(self, layer, by):
        self.layer, self.by = layer, by

    def __call__(self, net, history):
        pairs = net.parameters
        W, b = pairs[self.layer]
        pairs[self.layer] = W, b + self.by
        net.set_parameters(pairs)


def test_layers_of_a_frozen_base_stay(data):
    """What they give is computed once: other weights of theirs would be ignored."""
    X, y = data
    layers = gn.Dense(5, "tanh", trainable=False), gn.Dense(4, "tanh"), gn.Dense(K, "softmax")
    net, calls = network("numpy", *layers), network("numpy", *layers)
    given = {"optimizer": gn.GradientDescent(0.3), "batch_size": 4}
    net.fit(X, y, epochs=3, callbacks=Add(1, 0.25), **given)
    for _ in range(3):
        calls.fit(X, y, epochs=1, **given)
        Add(1, 0.25)(calls, None)
    assert same(net, calls)
    with pytest.raises(ValueError, match="a callback has set other weights for layer 1, which is frozen"):
        net.fit(X, y, epochs=3, callbacks=Add(0, 0.25), **given)
    calls.fit(X, y, epochs=1, **given)
    assert same(net, calls)  # as after the epoch
    for one in (net, calls):  # and goes on
        one.fit(X, y, epochs=1, **given)
    assert same(net, calls)


def test_a_divergence_after_a_callback_has_set_weights(data):
    """The network goes back to before: the weights that were set have no finite loss."""
    X, y = data
    net = gn.Network([gn.Dense(1)], inputs=N, seed=0, backend="numpy")

    def explode(net, history):
        net.set_parameters([(np.full((1, N), 1e30), np.zeros((1, 1)))])

    with pytest.raises(gn.Diverged) as caught, np.errstate(all="ignore"):
        net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=3, batch_size=4, callbacks=explode)
    assert (caught.value.epoch, caught.value.step) == (2, 1)
    assert all(np.isfinite(p).all() for p in host(net))


class Noted:
    """A callback that notes what it is called with, and may fail at the start."""

    def __init__(self, name, events, fails=False):
        self.name, self.events, self.fails = name, events, fails

    def start(self, net):
        self.events.append(f"start {self.name}")
        if self.fails:
            raise OSError("no such folder")

    def __call__(self, net, history):
        self.events.append(f"epoch {self.name}")

    def finish(self, net, history):
        self.events.append(f"finish {self.name} after {history.epochs}")


def test_callbacks_that_were_started_are_finished_if_another_fails(data):
    """A log that has begun a run of its own, as MLflow's, would leave that open."""
    events = []
    net = network("numpy")
    before = host(net)
    callbacks = [Noted("a", events), lambda *_: None, Noted("b", events, fails=True), Noted("c", events)]
    with pytest.raises(OSError, match="no such folder"):
        net.fit(*data, epochs=1, callbacks=callbacks)
    assert events == ["start a", "start b", "finish a after 0"]
    assert all(np.array_equal(a, b) for a, b in zip(before, host(net), strict=True))


def test_callbacks_are_finished_if_the_run_cannot_begin(data):
    events = []
    bad = gn.Dense(K, "softmax", initializer=lambda rng, n_out, n_in: np.nan)
    net = gn.Network([bad], seed=0, backend="numpy")
    with pytest.raises(ValueError, match="weights that are not finite"):
        net.fit(*data, epochs=1, callbacks=Noted("a", events))
    assert events == ["start a", "finish a after 0"]


def test_callbacks_are_finished_once(data):
    events = []
    network("numpy").fit(*data, epochs=2, callbacks=Noted("a", events))
    assert events == ["start a", "epoch a", "epoch a", "finish a after 2"]
    events.clear()

    def fails(net, history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network("numpy").fit(*data, epochs=2, callbacks=[Noted("a", events), fails])
    assert events == ["start a", "epoch a", "finish a after 1"]


class CannotGoOn(Noted):
    def state(self):
        return {}

    def set_state(self, state):
        raise ValueError("another version's state")


def test_callbacks_are_finished_if_their_state_is_refused(data, tmp_path, monkeypatch):
    events = []

    def fit():
        checkpoint = gn.Checkpoint(tmp_path, every="epoch")
        callbacks = [CannotGoOn("a", events), wait_for_the_writer]
        network("numpy").fit(*data, epochs=4, batch_size=5, callbacks=callbacks, checkpoint=checkpoint)

    assert killed_after(2, monkeypatch, fit)
    events.clear()
    with pytest.raises(ValueError, match="another version's state"):
        fit()
    assert [event.split()[0] for event in events] == ["start", "finish"]
