"""Callbacks that monitor a figure: NaN is never better, and only True ends a run."""

import math

import numpy as np
import pytest

import gpunet as gn
from gpunet.training.history import History
from gpunet.training.monitors import Monitor


class FakeNetwork:
    def __init__(self):
        self.parameters, self.saved = 0, []

    def set_parameters(self, parameters):
        self.parameters = parameters

    def save(self, path):
        self.saved.append(self.parameters)


def run(callback, losses):
    """Call a callback as a run with these validation losses would; the network, and the epochs that ran."""
    network, history = FakeNetwork(), History()
    callback.start(None)
    for epoch, loss in enumerate(losses, start=1):
        network.parameters = epoch
        history.val_loss.append(loss)
        history.epochs = epoch
        if callback(network, history) is True:
            break
    if hasattr(callback, "finish"):
        callback.finish(network, history)
    return network, history


def test_nan_is_no_improvement():
    network, history = run(gn.EarlyStopping(patience=2), [1.0, 0.5, math.nan, math.nan, 0.1])
    assert history.epochs == 4
    assert network.parameters == 2
    assert history.stopped == "val_loss has not improved since epoch 2"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_run_that_is_never_finite(bad):
    network, history = run(gn.EarlyStopping(patience=3), [bad] * 5)
    assert history.epochs == 3
    assert network.parameters == 3  # nothing better to go back to
    assert history.stopped == "val_loss has not been a finite number"


def test_a_first_nan_does_not_hide_what_follows():
    network, _ = run(gn.EarlyStopping(patience=3), [math.nan, 0.7, 0.9])
    assert network.parameters == 2


def test_checkpoints_of_nan_are_not_best(tmp_path):
    network, _ = run(gn.SaveNetwork(tmp_path / "net", best_only=True), [1.0, math.nan, 0.5])
    assert network.saved == [1, 3]


@pytest.mark.parametrize(
    ("result", "epochs"), [(True, 1), (np.True_, 1), (False, 3), (0.7, 3), ("text", 3), (1, 3), (None, 3)]
)
def test_only_true_ends_a_run(result, epochs):
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    history = net.fit(np.eye(4), np.zeros(4), epochs=3, callbacks=lambda network, history: result)
    assert (history.epochs, history.stopped) == (epochs, "<lambda> returned True" if epochs == 1 else "")


def test_the_history_names_the_callback_that_ends_a_run():
    class Second:
        __hash__ = None  # as of an object that compares by its contents

        def __call__(self, network, history):
            return history.epochs == 2

    class Reasoned(Second):
        def __call__(self, network, history):
            history.stopped = "enough"
            return True

    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    for callbacks, stopped in (
        ([nothing, Second(), Second()], "Second returned True"),
        ([Second(), Reasoned()], "enough"),
    ):
        history = net.fit(np.eye(4), np.zeros(4), epochs=3, callbacks=callbacks)
        assert history.stopped == stopped


def nothing(network, history):
    return None


@pytest.mark.parametrize("monitor", ["loss", "val_loss", "val_accuracy"])
def test_the_smallest_change_that_counts(monitor):
    """In units of the figure itself; an accuracy is better where it is larger."""
    sign = 1 if monitor == "val_accuracy" else -1
    for change, better in ((0.25, False), (0.1875, False), (0.3125, True), (-0.3125, False)):
        callback, network, history = Monitor(monitor, min_delta=0.25), FakeNetwork(), History(epochs=1)
        getattr(history, monitor).append(0.5)
        assert callback.better(network, history)
        getattr(history, monitor).append(0.5 + sign * change)
        history.epochs = 2
        assert callback.better(network, history) is better
        assert callback.epoch == (2 if better else 1)


def test_defaults(tmp_path):
    alone, stopping = Monitor(), gn.EarlyStopping()
    saving = gn.SaveNetwork(tmp_path / "net")
    assert [one.monitor for one in (alone, stopping, saving)] == ["val_loss"] * 3
    assert [one.min_delta for one in (alone, stopping, saving)] == [0.0] * 3
    assert (stopping.patience, stopping.restore_best, saving.best_only) == (5, True, False)
    assert stopping.monitored and not saving.monitored


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gn.EarlyStopping(restore_best=1), r"^restore_best must be True or False"),
        (lambda: gn.SaveNetwork("net", best_only=1), r"^best_only must be True or False"),
        (lambda: gn.SaveNetwork(b"net"), r"^path must be a path"),
    ],
)
def test_messages_name_the_argument(make, message):
    with pytest.raises(TypeError, match=message):
        make()
