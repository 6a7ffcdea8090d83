"""Early stopping, checkpoints, and callbacks that are functions."""

import re

import numpy as np
import pytest

import gpunet as gn

M, N, K = 12, 3, 2


@pytest.fixture
def data(rng):
    return rng.normal(size=(M, N)).astype("float32"), np.arange(M) % K


def network(name="numpy", **more):
    return gn.Network([gn.Dense(K, "softmax")], inputs=N, seed=0, backend=name, **more)


def host(net):
    return [np.array(net.placement.backend.to_host(p)) for pair in net.parameters for p in pair]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class Scripted:
    """Replaces the figure of each epoch by a given one, and keeps the parameters of each epoch."""

    def __init__(self, figures, monitor="val_loss"):
        self.figures, self.monitor, self.weights = figures, monitor, []

    def __call__(self, net, history):
        getattr(history, self.monitor)[-1] = self.figures[history.epochs - 1]
        self.weights.append(host(net))


@pytest.mark.parametrize(
    ("monitor", "figures", "patience", "min_delta", "stops", "best"),
    [
        ("val_loss", [3, 2, 1, 2, 3, 0], 2, 0.0, 5, 3),
        ("val_loss", [3, 2, 1, 1, 1, 1], 2, 0.0, 5, 3),
        ("val_loss", [3, 2.9, 2.8, 2.7, 2.6, 2.5], 2, 0.5, 3, 1),
        ("val_loss", [3, 2, 1, 2, 0.5, 2], 3, 0.0, 6, 5),
        ("val_accuracy", [0.1, 0.5, 0.4, 0.3, 0.9, 0.9], 2, 0.0, 4, 2),
        ("loss", [3, 4, 5, 6, 7, 8], 1, 0.0, 2, 1),
    ],
)
def test_early_stopping_restores_the_best(backend, data, monitor, figures, patience, min_delta, stops, best):
    X, y = data
    net, scripted = network(backend.name), Scripted(figures, monitor)
    stop = gn.EarlyStopping(patience, monitor, min_delta)
    history = net.fit(X, y, epochs=6, batch_size=None, validation_data=(X, y), callbacks=[scripted, stop])
    assert history.epochs == len(history.loss) == len(history.val_loss) == stops
    assert stop.epoch == best
    assert same(host(net), scripted.weights[best - 1])
    assert bool(history.stopped) == (stops < 6)
    assert f"epoch {best}" in history.stopped or stops == 6
    assert net.epochs_trained == stops


def test_early_stopping_without_restoring(data):
    X, y = data
    net, scripted = network(), Scripted([1, 2, 3, 4])
    stop = gn.EarlyStopping(2, restore_best=False)
    net.fit(X, y, epochs=4, batch_size=None, validation_fraction=0.25, callbacks=[scripted, stop])
    assert same(host(net), scripted.weights[2])


def test_early_stopping_can_be_used_again(data):
    X, y = data
    stop = gn.EarlyStopping(1)
    for _ in range(2):
        net, scripted = network(), Scripted([1, 2, 3])
        history = net.fit(X, y, epochs=3, batch_size=None, validation_data=(X, y), callbacks=[scripted, stop])
        assert history.epochs == 2
        assert same(host(net), scripted.weights[0])


def test_early_stopping_on_real_losses(data):
    """Labels that are noise are overfitted, and the best is gone back to."""
    X, y = data
    net = gn.Network([gn.Dense(30, "relu"), gn.Dense(K, "softmax")], seed=0, backend="numpy")
    held = X + 1, 1 - y
    history = net.fit(
        X,
        y,
        optimizer=gn.Adam(0.05),
        epochs=100,
        validation_data=held,
        batch_size=4,
        callbacks=gn.EarlyStopping(3),
    )
    assert history.epochs < 100
    assert net.evaluate(*held)["loss"] == pytest.approx(min(history.val_loss))


def test_functions_as_callbacks(data):
    X, y = data
    seen = []

    def note(net, history):
        seen.append((net.epochs_trained, history.epochs, len(history.loss)))

    def third(net, history):
        return history.epochs == 3

    net = network()
    history = net.fit(X, y, epochs=9, batch_size=None, callbacks=[third, note])
    assert seen == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]  # `note` is called in the epoch that `third` ends, too
    assert history.epochs == 3
    net.fit(X, y, epochs=2, batch_size=None, callbacks=note)
    assert seen[-1] == (5, 2, 2)


def test_start_and_finish_are_called_once_whatever_happens(data):
    X, y = data

    class Watch:
        calls = ()

        def start(self, net):
            self.calls += ("start",)

        def __call__(self, net, history):
            self.calls += ("epoch",)
            return history.epochs == 2

        def finish(self, net, history):
            self.calls += ("finish",)

    watch = Watch()
    network().fit(X, y, epochs=5, batch_size=None, callbacks=[watch])
    assert watch.calls == ("start", "epoch", "epoch", "finish")
    bad = Watch()
    with pytest.raises(gn.Diverged):
        gn.Network([gn.Dense(1)], seed=0, backend="numpy").fit(
            X, y, optimizer=gn.GradientDescent(1e30), batch_size=None, callbacks=[bad]
        )
    assert bad.calls[-1] == "finish"


def test_checkpoints(data, tmp_path):
    X, y = data
    every, best = gn.SaveNetwork(tmp_path / "every"), gn.SaveNetwork(tmp_path / "best", best_only=True)
    net, scripted = network(), Scripted([3, 1, 2])
    net.fit(X, y, epochs=3, batch_size=None, validation_data=(X, y), callbacks=[scripted, every, best])
    assert same(host(gn.load(tmp_path / "every", "numpy")), scripted.weights[2])
    assert same(host(gn.load(tmp_path / "best", "numpy")), scripted.weights[1])
    assert gn.load(tmp_path / "best").epochs_trained == 2
    network().fit(X, y, epochs=1, batch_size=None, callbacks=gn.SaveNetwork(str(tmp_path / "alone")))
    assert (tmp_path / "alone").exists()


def test_the_training_loss_needs_no_validation_data(data):
    X, y = data
    stop = gn.EarlyStopping(2, "loss", min_delta=100.0)
    assert network().fit(X, y, epochs=9, batch_size=None, callbacks=stop).epochs == 3
    for monitor in ("val_loss", "val_accuracy"):
        with pytest.raises(
            ValueError, match=f"EarlyStopping monitors '{monitor}', which this run does not measure"
        ):
            network().fit(X, y, epochs=9, batch_size=None, callbacks=gn.EarlyStopping(2, monitor))


@pytest.mark.parametrize("callbacks", ["stop", {"stop": print}, None, [None], 3])
def test_what_is_no_callback(data, callbacks):
    """A text is named as a whole, not by its first letter."""
    shown = callbacks[0] if isinstance(callbacks, list) else callbacks
    with pytest.raises(
        TypeError, match=rf"^a callback must be callable as .*, got {re.escape(repr(shown))}$"
    ):
        network().fit(*data, callbacks=callbacks)


def test_a_metric_is_monitored_with_val():
    with pytest.raises(
        ValueError, match=r"^unknown monitor 'f1'\. Known: .* monitored as 'val_' and its name\.$"
    ):
        gn.EarlyStopping(monitor="f1")
