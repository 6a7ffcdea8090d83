"""A lower rate on a plateau: exact from the next epoch on, whatever the backend, optimizer and schedule."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.schedules import rate_at
from gpunet.training.history import History

M, N, BATCH = 12, 3, 4
STEPS = M // BATCH


@pytest.fixture
def data(rng):
    return rng.normal(size=(M, N)).astype("float32"), np.arange(M) % 2


def network(name="numpy"):
    layers = [gn.Dense(5, "tanh"), gn.Dropout(0.3), gn.Dense(2, "softmax")]
    return gn.Network(layers, inputs=N, seed=2, backend=name)


def host(net):
    return [np.array(net.placement.backend.to_host(p)) for pair in net.parameters for p in pair]


def rates_of(plateau, figures, rate=1.0, name="val_loss"):
    """The learning rate of each epoch, of a run with these figures."""
    history, rates = History(), []
    plateau.start(None)
    for epoch, figure in enumerate(figures, start=1):
        history.learning_rate.append(rate * history.learning_rate_factor)
        getattr(history, name).append(figure)
        history.epochs = epoch
        assert plateau(None, history) is None
        rates.append(history.learning_rate[-1])
    return rates, history


@pytest.mark.parametrize(
    ("settings", "figures", "rates"),
    [
        ({"patience": 2}, [3, 2, 2, 2, 2, 2, 1, 1, 1], [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]),
        ({"patience": 1, "factor": 0.1}, [3, 3, 3, 2, 2], [1, 1, 0.1, 0.01, 0.01]),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 2.2, 2.0], [1, 1, 0.5, 0.5]),
        ({"patience": 1, "min_rate": 0.4}, [3, 3, 3, 3, 3], [1, 1, 0.5, 0.4, 0.4]),
        ({"patience": 1, "min_rate": 2.0}, [3, 3, 3], [1, 1, 1]),
        ({"patience": 1}, [math.nan, math.nan, 3, 4], [1, 0.5, 0.25, 0.25]),
        ({"patience": 2}, [math.nan] * 5, [1, 1, 0.5, 0.5, 0.25]),
        ({}, [1] * 8, [1, 1, 1, 1, 1, 1, 0.5, 0.5]),
        ({"patience": 1, "mode": "max"}, [1, 2, 3, 2, 2], [1, 1, 1, 1, 0.5]),
        ({"patience": 1, "monitor": "val_accuracy"}, [0.1, 0.2, 0.2, 0.2], [1, 1, 1, 0.5]),
        ({"patience": 1, "monitor": "loss"}, [3, 2, 2, 1], [1, 1, 1, 0.5]),
    ],
)
def test_when_the_rate_falls(settings, figures, rates):
    name = settings.get("monitor", "val_loss")
    assert rates_of(gn.ReduceOnPlateau(**settings), figures, name=name)[0] == pytest.approx(rates)


def test_a_rate_of_nothing_stays_so():
    """The end of a cosine."""
    rates, history = rates_of(gn.ReduceOnPlateau(patience=1), [1, 1, 1], rate=0.0)
    assert rates == [0, 0, 0]
    assert history.learning_rate_factor == 1.0


def test_it_can_be_used_again_and_goes_on_from_a_state():
    plateau = gn.ReduceOnPlateau(patience=3)
    figures = [3, 2, 2, 2, 2, 1, 1, 1, 1, 1]
    whole, _ = rates_of(plateau, figures)
    assert rates_of(plateau, figures)[0] == whole
    _, half = rates_of(plateau, figures[:4])
    resumed = gn.ReduceOnPlateau(patience=3)
    resumed.set_state(plateau.state())
    rates = []
    for figure in figures[4:]:
        half.learning_rate.append(half.learning_rate_factor)
        half.val_loss.append(figure)
        half.epochs += 1
        resumed(None, half)
        rates.append(half.learning_rate[-1])
    assert rates == whole[4:]


OPTIMIZERS = [
    gn.GradientDescent(0.3, momentum=0.5, weight_decay=0.01),
    gn.GradientDescent(gn.Exponential(0.4, factor=0.9, every=2)),
    gn.RMSprop(0.01),
    gn.AdamW(gn.Cosine(0.02, warmup=0.2), weight_decay=0.1),
    gn.RMSprop(gn.Cosine(0.02, steps=9)),
    gn.Adam(0.02, clip_norm=0.5),
]


class Lower:
    """Multiplies the rate after the second and the third epoch."""

    def __call__(self, net, history):
        if history.epochs in (2, 3):
            history.learning_rate_factor *= 0.25


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_the_rate_counts_from_the_next_epoch_on(backend, data, optimizer):
    """Against a schedule that says the same, step by step."""
    if backend.name == "jax" and optimizer not in (OPTIMIZERS[0], OPTIMIZERS[3]):
        pytest.skip("compiling takes most of the time; a constant and a falling rate will do")
    X, y = data
    base = optimizer.learning_rate
    factors = [1, 1, 0.25, 0.0625, 0.0625]

    def stairs(step, planned):
        return factors[step // STEPS] * rate_at(base, step, planned, step)

    net, wanted = network(backend.name), network(backend.name)
    settings = {"epochs": 5, "batch_size": BATCH}
    history = net.fit(X, y, optimizer=optimizer, callbacks=Lower(), **settings)
    reference = wanted.fit(X, y, optimizer=replace(optimizer, learning_rate=stairs), **settings)
    assert history.learning_rate == pytest.approx(reference.learning_rate, rel=1e-6)
    assert history.learning_rate[-1] < history.learning_rate[0] / 4
    for a, b in zip(host(net), host(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("asynchronous", [True, False])
def test_on_devices_that_draw_the_next_epoch_ahead(data, monkeypatch, asynchronous):
    X, y = data
    monkeypatch.setattr(gn.get_backend("numpy"), "asynchronous", asynchronous, raising=False)
    net = network()
    history = net.fit(X, y, optimizer=gn.GradientDescent(0.5), epochs=5, batch_size=BATCH, callbacks=Lower())
    assert history.learning_rate == [0.5, 0.5, 0.125, 0.03125, 0.03125]
    assert history.step_learning_rate.tolist() == [0.03125] * STEPS


def test_programs_of_batches_of_one(data):
    """Compiled and blocked programs read their rates from the coefficients, too."""
    X, y = data
    for batch_size in (1, None):
        history = network().fit(
            X, y, optimizer=gn.GradientDescent(0.5), epochs=4, batch_size=batch_size, callbacks=Lower()
        )
        assert history.learning_rate == [0.5, 0.5, 0.125, 0.03125]


def test_an_optimizer_of_the_users_own(data):
    @dataclass(frozen=True)
    class SignDescent(gn.Optimizer):
        learning_rate: float = 0.5

        def update(self, xp, theta, gradient, slots, c):
            return theta - c[0] * xp.sign(gradient), ()

    X, y = data
    own = SignDescent()
    history = network().fit(X, y, optimizer=own, epochs=4, batch_size=BATCH, callbacks=Lower())
    assert history.learning_rate == [0.5, 0.5, 0.125, 0.03125]
    assert own == SignDescent(0.5)


def test_a_later_fit_begins_with_the_optimizers_rate(data):
    X, y = data
    net = network()
    for _ in range(2):
        history = net.fit(
            X, y, optimizer=gn.GradientDescent(0.5), epochs=3, batch_size=BATCH, callbacks=Lower()
        )
        assert history.learning_rate == [0.5, 0.5, 0.125]


def test_in_a_run(data):
    X, y = data
    net = network()
    history = net.fit(
        *(X, y),
        optimizer=gn.GradientDescent(0.5),
        epochs=6,
        batch_size=BATCH,
        validation_data=(X, y),
        metrics="f1",
        callbacks=gn.ReduceOnPlateau("val_f1", patience=1, min_delta=10.0),
    )
    assert history.learning_rate == [0.5, 0.5, 0.25, 0.125, 0.0625, 0.03125]


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf])
def test_a_factor_that_is_no_rate(data, factor):
    def spoil(net, history):
        history.learning_rate_factor = factor

    net = network()
    with pytest.raises(ValueError, match=r"history\.learning_rate_factor must be a finite number above 0"):
        net.fit(*data, epochs=3, batch_size=BATCH, callbacks=spoil)
    assert net.epochs_trained == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"factor": 1.0},
        {"factor": 0.0},
        {"patience": 0},
        {"min_rate": -1.0},
        {"min_delta": -1.0},
        {"mode": "best"},
        {"monitor": "accuracy"},
        {"monitor": "val_"},
    ],
)
def test_mistakes(settings):
    with pytest.raises(ValueError, match=rf"^(unknown )?{next(iter(settings))}\b"):
        gn.ReduceOnPlateau(**settings)


@pytest.mark.parametrize("made", [gn.EarlyStopping, gn.ReduceOnPlateau])
def test_monitors_of_metrics(data, made):
    X, y = data
    given = {"epochs": 2, "validation_data": (X, y), "batch_size": BATCH}

    def own(y_true, y_pred):
        return 0.0

    net = network()
    with pytest.raises(
        ValueError, match=r"monitors 'val_f2', .* give fit metrics=\['f2'\]; .* are val_f1, val_own"
    ):
        net.fit(X, y, metrics=["f1", own], callbacks=made(monitor="val_f2"), **given)
    with pytest.raises(ValueError, match=r"metrics=\['f1'\]; its metrics are none$"):
        net.fit(X, y, callbacks=made(monitor="val_f1"), **given)
    with pytest.raises(ValueError, match="monitors 'val_own', a function of your own: say with mode='max'"):
        net.fit(X, y, metrics=own, callbacks=made(monitor="val_own"), **given)
    with pytest.raises(ValueError, match="monitors 'val_f1', which this run does not measure"):
        net.fit(X, y, epochs=2, callbacks=made(monitor="val_f1"))
    assert net.epochs_trained == 0
    net.fit(X, y, metrics=own, callbacks=made(monitor="val_own", mode="min"), **given)


@pytest.mark.parametrize(
    ("metric", "mode", "best"),
    [("f1", None, 3), ("log_loss", None, 1), ("neg_log_loss", None, 3), ("f1", "min", 1), ("own", "max", 3)],
)
def test_which_way_is_better(data, tmp_path, metric, mode, best):
    """A figure that rises to the third epoch and falls then."""
    X, y = data

    def script(net, history):
        history.val_metrics[metric][-1] = [1.0, 2.0, 3.0, 2.5][history.epochs - 1]

    net = network()
    stop = gn.EarlyStopping(9, f"val_{metric}", mode=mode)
    save = gn.SaveNetwork(tmp_path / "net", best_only=True, monitor=f"val_{metric}", mode=mode)
    metrics = {"own": lambda y_true, y_pred: 0.0} if metric == "own" else [metric]
    net.fit(X, y, epochs=4, validation_data=(X, y), metrics=metrics, callbacks=[script, stop, save])
    assert stop.epoch == best
    assert gn.load(tmp_path / "net").epochs_trained == best


def test_a_run_that_goes_on_from_a_checkpoint(data, tmp_path):
    """The factor of the rate, the epochs waited and the metrics so far are kept."""
    X, y = data

    def fit(net, folder=None, **more):
        plateau = gn.ReduceOnPlateau("val_f1", patience=2, min_delta=10.0, factor=0.25)
        return net.fit(
            *(X, y),
            optimizer=gn.Adam(0.1),
            epochs=8,
            batch_size=BATCH,
            validation_data=(X, y),
            metrics="f1",
            callbacks=[plateau, *more.get("others", ())],
            checkpoint=None if folder is None else gn.Checkpoint(folder, every="epoch"),
        )

    whole = network()
    wanted = fit(whole)
    assert len(set(wanted.learning_rate)) == 4

    class Crash:
        armed = True

        def __call__(self, net, history):
            if self.armed and history.epochs == 5:
                raise RuntimeError("power cut")

    crash = Crash()
    for stops in (True, False):
        crash.armed = stops
        net = network()
        if stops:
            with pytest.raises(RuntimeError, match="power cut"):
                fit(net, tmp_path, others=[crash])
        else:
            history = fit(net, tmp_path, others=[crash])
    assert history.learning_rate == wanted.learning_rate
    assert history.val_metrics == wanted.val_metrics
    assert history.step_loss.tolist() == wanted.step_loss.tolist()
    for a, b in zip(host(whole), host(net), strict=True):
        np.testing.assert_array_equal(a, b)


def test_checkpoints_of_the_best_by_a_metric(data, tmp_path):
    X, y = data

    def script(net, history):
        history.val_metrics["own"][-1] = [1.0, 2.0, 3.0, 2.5][history.epochs - 1]

    given = {
        "epochs": 4,
        "validation_data": (X, y),
        "metrics": {"own": lambda y_true, y_pred: 0.0},
        "callbacks": [script, lambda net, history: history.epochs == 4],
    }
    net = network()
    with pytest.raises(ValueError, match="Checkpoint monitors 'val_own', a function of your own"):
        net.fit(X, y, checkpoint=gn.Checkpoint(tmp_path, best_only=True, monitor="val_own"), **given)
    best = gn.Checkpoint(tmp_path, best_only=True, monitor="val_own", mode="min")
    writes = []
    original = best.signed

    def signed(history):
        writes.append(original(history))
        return writes[-1]

    best.signed = signed
    net.fit(X, y, checkpoint=best, **given)
    assert writes == [-1.0, -2.0, -3.0, -2.5]
