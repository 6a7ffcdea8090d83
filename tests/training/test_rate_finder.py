"""The learning-rate finder: which losses count, what is suggested, and that the network stays as it was."""

import dataclasses
import math

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.schedules import Ramp
from gpunet.training.rate_finder import rate_search

M = 60


@pytest.fixture
def data(rng):
    X = rng.normal(size=(M, 3)).astype("float32")
    return X, (X[:, 0] > X[:, 1]).astype(int)


def network(name="numpy", **more):
    layers = [gn.Dense(8, "tanh"), gn.Dropout(0.2), gn.Dense(1, "sigmoid")]
    return gn.Network(layers, seed=4, backend=name, **more)


def host(net):
    return [np.array(net.placement.backend.to_host(p)) for pair in net.parameters for p in pair]


def test_the_ramp():
    ramp = Ramp(1e-4, 1e2, 7)
    assert [ramp(step, 99) for step in range(7)] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100])
    assert [ramp(step, 99) for step in (7, 8)] == [0.0, 0.0]
    for given in (
        (0.0, 1.0, 5),
        (-1.0, 1.0, 5),
        (1.0, 1.0, 5),
        (2.0, 1.0, 5),
        (1.0, math.inf, 5),
        (1.0, 2.0, 1),
    ):
        with pytest.raises(ValueError, match="must be"):
            Ramp(*given)


@pytest.mark.parametrize(
    ("optimizer", "batch_size"),
    [
        ("adam", 7),
        (gn.GradientDescent(gn.Cosine(0.1), momentum=0.9), 1),
        (gn.RMSprop(0.1, clip_norm=1.0), None),
    ],
    ids=["adam", "sgd", "rmsprop"],
)
def test_rates_rise_and_the_network_stays_as_it_was(backend, data, optimizer, batch_size):
    X, y = data
    net, twin = network(backend.name), network(backend.name)
    for one in (net, twin):
        one.fit(X, y, optimizer=gn.Adam(0.01), epochs=2, batch_size=16)
    before, epochs = host(net), net.epochs_trained
    search = gn.find_learning_rate(
        net, X, y, optimizer=optimizer, batch_size=batch_size, lowest=1e-5, highest=1.0, updates=40
    )
    assert len(search.rates) == len(search.losses) == len(search.smoothed) <= 40
    np.testing.assert_allclose(search.rates, np.geomspace(1e-5, 1.0, 40)[: len(search.rates)], rtol=1e-5)
    assert len(search.rates) > 10
    assert np.isfinite(search.losses).all()
    assert net.epochs_trained == epochs
    assert net.notes == {}
    for a, b in zip(before, host(net), strict=True):
        np.testing.assert_array_equal(a, b)
    for one in (net, twin):  # the optimizer's state, too, is what it was
        one.fit(X, y, optimizer=gn.Adam(0.01), epochs=2, batch_size=16)
    for a, b in zip(host(twin), host(net), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_losses_are_those_of_a_run_with_that_schedule(data):
    X, y = data
    net = network()
    search = gn.find_learning_rate(net, X, y, batch_size=20, lowest=1e-4, highest=0.1, updates=24)
    losses = []
    network().fit(
        *(X, y),
        optimizer=gn.Adam(lambda step, planned: 1e-4 * 1000 ** (step / 23)),
        epochs=8,
        batch_size=20,
        callbacks=lambda net, history: losses.extend(history.step_loss.tolist()),
    )
    np.testing.assert_allclose(search.losses, losses, rtol=1e-6)
    assert net.inputs is None  # it has learned nothing of these data


@pytest.mark.parametrize("batch_size", [10, 1])  # between epochs, and within the only one
def test_a_run_that_diverges_ends_there(data, batch_size):
    X, _ = data
    y = 3.0 * X[:, :1]
    net = gn.Network([gn.Dense(4, "relu"), gn.Dense(1)], seed=1, backend="numpy")
    search = gn.find_learning_rate(
        net, X, y, optimizer=gn.GradientDescent(), batch_size=batch_size, highest=1e8, updates=60
    )
    assert 10 < len(search.rates) < 60
    assert np.isfinite(search.losses).all()
    assert 1e-3 < search.suggestion < 2.0
    lowest = np.minimum.accumulate(search.smoothed)
    assert (search.smoothed <= np.maximum(4.0 * lowest, search.smoothed[0])).all()


@pytest.mark.parametrize("batch_size", [1, 2, 30, None])
def test_epochs_of_any_length(data, batch_size):
    X, y = data
    search = gn.find_learning_rate(network(), X, y, batch_size=batch_size, highest=1e-2, updates=20)
    assert len(search.rates) == 20
    assert search.rates[-1] == pytest.approx(1e-2)


def test_batches_are_by_default_those_of_fit(data):
    X, y = data
    given = {"highest": 1e-2, "updates": 20}
    found = gn.find_learning_rate(network(), X, y, **given)
    wanted = gn.find_learning_rate(network(), X, y, batch_size=32, **given)
    np.testing.assert_array_equal(found.losses, wanted.losses)


def test_no_epoch_runs_after_the_last_update_or_a_divergence(data, monkeypatch):
    X, y = data
    fit, epochs = gn.Network.fit, []

    def counted(self, *given, **settings):
        history = fit(self, *given, **settings)
        epochs.append(history.epochs)
        return history

    monkeypatch.setattr(gn.Network, "fit", counted)
    gn.find_learning_rate(network(), X, y, batch_size=20, lowest=1e-4, highest=0.1, updates=24)
    gn.find_learning_rate(network(), X, y, batch_size=20, lowest=1e-4, highest=0.1, updates=25)
    assert epochs == [8, 9]
    adam = gn.Adam()  # its steps stay finite
    search = gn.find_learning_rate(network(), X, y, optimizer=adam, batch_size=20, highest=1e6, updates=90)
    assert len(search.rates) < 80
    assert epochs[2] * 3 < 90
    assert epochs[2] * 3 - len(search.rates) < 3 + 2 * 5  # the epoch, and the averages


def test_values_of_tables_and_other_settings(rng):
    x = rng.normal(size=80)
    table = gn.datasets.read_table({"x": x, "price": 1e4 * x + 5e4}, target="price")
    net = gn.Network.for_table(table, hidden=(8,), seed=0, backend="numpy")
    search = gn.find_learning_rate(net, table, batch_size=8, sample_weight=np.full(80, 2.0), updates=40)
    assert net.encoder.fitted is False
    assert 1e7 < search.losses[0] < 1e9  # in the price's own unit, squared, twice
    net.fit(table, optimizer=gn.Adam(search.suggestion), epochs=2)


EVEN = np.geomspace(1e-3, 1.0, 100)


def test_the_suggestion_is_a_quarter_of_the_lowest():
    losses = np.concatenate([np.linspace(2.0, 1.0, 60), np.linspace(1.0, 3.0, 40)])
    search = rate_search(EVEN, losses, 100)
    assert len(search.rates) == 100
    assert search.suggestion == pytest.approx(EVEN[np.argmin(search.smoothed)] / 4)
    assert abs(np.argmin(search.smoothed) - 59) <= 3


def test_losses_are_averaged_over_five_hundredths_to_each_side(rng):
    losses = rng.uniform(1.0, 1.1, size=100)
    search = rate_search(EVEN, losses, 100)
    wanted = [losses[max(k - 5, 0) : k + 6].mean() for k in range(100)]
    np.testing.assert_allclose(search.smoothed, wanted)
    few = losses[:7]
    for updates, window in ((100, 5), (40, 2), (7, 1)):
        smoothed = rate_search(EVEN[:7], few, updates).smoothed
        wanted = [few[max(k - window, 0) : k + window + 1].mean() for k in range(7)]
        np.testing.assert_allclose(smoothed, wanted)


def test_where_a_search_ends():
    losses = np.ones(100)
    losses[80:] = 1e6
    search = rate_search(EVEN, losses, 100)
    assert len(search.rates) == len(search.losses) == 75  # the first average that has seen it
    losses = np.ones(100)
    losses[50] = math.nan
    search = rate_search(EVEN, losses, 100)
    assert len(search.rates) == len(search.losses) == len(search.smoothed) == 50
    assert np.isfinite(search.smoothed).all()
    within = np.where(np.arange(100) < 80, 1.0, 4.0)
    assert len(rate_search(EVEN, within, 100).rates) == 100
    # Noise of small losses is no divergence: that goes above where it began.
    back = np.concatenate([np.full(40, 1.0), np.full(30, 0.01), np.full(30, 1.0)])
    assert len(rate_search(EVEN, back, 100).rates) == 100


def test_searches_are_values():
    search = rate_search(EVEN, np.ones(100), 100)
    assert search in {search}
    with pytest.raises(dataclasses.FrozenInstanceError):
        search.suggestion = 1.0


def test_nothing_to_suggest():
    assert rate_search(EVEN, np.linspace(1.0, 2.0, 100), 100).suggestion is None
    none = rate_search(EVEN, np.full(100, math.nan), 100)
    assert none.suggestion is None
    assert len(none.rates) == 0
    with pytest.raises(ValueError, match="nothing to plot"):
        none.plot()


def test_the_plot(data, tmp_path):
    X, y = data
    search = gn.find_learning_rate(network(), X, y, batch_size=8, updates=40)
    figure = search.plot(tmp_path / "rates.png")
    axes = figure.axes[0]
    assert (tmp_path / "rates.png").stat().st_size > 1000
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "learning rate"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), search.losses)
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), search.smoothed)
    assert axes.lines[2].get_xdata()[0] == search.suggestion


def test_mistakes(data):
    X, y = data
    for settings, message in (
        ({"updates": 19}, "updates must be at least 20, got 19"),
        ({"lowest": 1.0, "highest": 0.5}, r"highest must be above lowest, got 0\.5 and 1\.0"),
        ({"optimizer": "adan"}, "optimizer must be one of"),
        ({"batch_size": 1000}, "batch_size is 1000"),
    ):
        with pytest.raises(ValueError, match=message):
            gn.find_learning_rate(network(), X, y, **settings)
    with pytest.raises(TypeError, match=r"^updates must be a whole number, got 2\.5"):
        gn.find_learning_rate(network(), X, y, updates=2.5)
    with pytest.raises(TypeError, match="epochs"):
        gn.find_learning_rate(network(), X, y, epochs=3)
    for name in ("epochs", "callbacks", "checkpoint"):
        why = "it trains a copy that is thrown away, and updates=40 says how long"
        with pytest.raises(TypeError, match=f"^find_learning_rate takes no {name}: {why}$"):
            gn.find_learning_rate(network(), X, y, updates=40, **{name: []})
    for wrong, called in ((None, "NoneType"), (X, "ndarray"), (gn.Network, "type"), ([gn.Dense(3)], "list")):
        with pytest.raises(TypeError, match=rf"^network must be a Network, got {called}$"):
            gn.find_learning_rate(wrong, X, y)
