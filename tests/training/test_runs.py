"""Runs on every backend: history, repetition, seeds, order."""

import numpy as np
import pytest

import gpunet as gn
from small_networks import K, M, close, network, same, small_data


@pytest.fixture
def data(rng):
    return small_data(rng)


def test_history(backend, data):
    X, y = data
    history = network(backend).fit(
        X, y, optimizer=gn.GradientDescent(0.1), epochs=3, batch_size=5, validation_data=(X[:4], y[:4])
    )
    assert history.epochs == 3
    for figures in (
        history.loss,
        history.val_loss,
        history.val_accuracy,
        history.seconds,
        history.learning_rate,
        history.examples_per_second,
    ):
        assert len(figures) == 3
        assert all(type(figure) is float for figure in figures)
    assert (history.examples, history.backend, history.stopped) == (M, backend.name, "")
    assert history.device in backend.devices()
    assert history.program
    assert history.reason


def test_five_epochs_twice_are_ten(backend, data):
    X, y = data
    layers = (gn.Dense(5, "tanh"), gn.Dropout(0.2), gn.Dense(K, "softmax"))
    once, twice = network(backend, *layers), network(backend, *layers)
    whole = once.fit(X, y, optimizer=gn.Adam(0.01), epochs=10, batch_size=5).loss
    halves = [
        loss
        for _ in range(2)
        for loss in twice.fit(X, y, optimizer=gn.Adam(0.01), epochs=5, batch_size=5).loss
    ]
    assert whole == halves
    assert same(once, twice)
    assert once.epochs_trained == twice.epochs_trained == 10


def test_another_optimizer_starts_afresh(backend, data):
    X, y = data
    net = network(backend)
    net.fit(X, y, optimizer=gn.Adam(0.01), epochs=1, batch_size=None)
    other = network(backend)
    other.set_parameters(net.parameters)
    for one in (net, other):
        one.fit(X, y, optimizer=gn.RMSprop(0.01), epochs=1, batch_size=None)
    close(net, other)


def test_seeds(backend, data):
    X, y = data
    one, two, three = network(backend), network(backend), network(backend, seed=1)
    assert same(one, two)
    assert not same(one, three)
    for net in (one, two):
        net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=5)
    assert same(one, two)
    assert gn.Network([gn.Dense(1)]).seed != gn.Network([gn.Dense(1)]).seed


def test_order_of_examples(data):
    """Without shuffling the order is that of the rows; with it, every epoch has another."""
    X, y = data
    still, shuffled = network("numpy"), network("numpy")
    still.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=1, shuffle=False)
    shuffled.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=1)
    by_hand = network("numpy")
    for i in range(M):
        _, gradients = by_hand.gradients(X[i : i + 1], y[i : i + 1])
        by_hand.set_parameters(
            [
                (W - 0.1 * dW, b - 0.1 * db)
                for (W, b), (dW, db) in zip(by_hand.parameters, gradients, strict=True)
            ]
        )
    close(still, by_hand)
    assert not same(still, shuffled)


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int64"])
def test_a_number_of_epochs_of_numpy(kind):
    """Counts of updates would overflow a type of few bits."""
    X, y = np.ones((300, 2), "float32"), np.zeros(300)
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    history = net.fit(X, y, optimizer=gn.Adam(gn.Cosine(0.1)), epochs=np.dtype(kind).type(3), batch_size=1)
    assert history.epochs == net.epochs_trained == 3
