"""Batches that are larger than what is in memory at a time: the same updates as in memory, to rounding."""

import copy
import itertools

import numpy as np
import pytest

import gpunet as gn
from broken_runs import require_that_it_goes_on
from gpunet.core.plan import Layer, Plan
from gpunet.devices.placement import host_placement
from gpunet.inputs.pipeline import Examples
from gpunet.training import parts
from gpunet.training.windows import Window
from small_networks import K, N, close, network, same
from streams import mapped, small_blocks, used_order
from thread_team import on_ranks

M = 60
ROWS, HELD = 7, 2  # windows of 14 examples


@pytest.fixture
def data(rng):
    return rng.normal(size=(M, N)).astype("float32"), rng.integers(0, K, M)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Batches of 10 examples are too large."""
    small_blocks(monkeypatch, ROWS, HELD, N)
    monkeypatch.setattr("gpunet.inputs.blocks.fit.BATCH_BYTES", 9 * N * 4)
    monkeypatch.setattr(parts, "NUMBERS", 6 * (N + 5 + K))  # parts of 6 examples


def both(source, X, y, layers=(), options=None, net=None, **given):
    """A network trained on the stream, and one in memory on the same arrays, with their histories."""
    options = {"epochs": 3, "batch_size": None, "optimizer": gn.Adam(0.01)} | (options or {})
    one, two = (network(net or "numpy", *layers, seed=5, **given) for _ in range(2))
    first, second = one.fit(*source, **options), two.fit(X, y, **options)
    assert first.program == "accumulation"
    assert "larger than what is in memory" in first.reason
    np.testing.assert_allclose(first.loss, second.loss, rtol=1e-5)
    return one, two


@pytest.mark.parametrize("loss", ["classes", "values"])
def test_a_full_batch_is_that_in_memory(backend, loss, data, tmp_path):
    """With dropout, whose masks are the same, and with weights of examples."""
    if backend.name == "jax":
        pytest.skip("compiling takes most of the time; it has a test of its own")
    X, y = data
    output = gn.Dense(K, "softmax")
    if loss == "values":
        y, output = np.stack([y, -y], axis=1) / K, gn.Dense(2)
    layers = gn.Dropout(0.2), gn.Dense(5, "tanh"), gn.Dropout(0.5), output
    weights = np.linspace(0.5, 2, M)
    one, two = both((mapped(tmp_path, "X", X), y), X, y, layers, {"sample_weight": weights}, backend)
    close(one, two, rtol=1e-5)


@pytest.mark.slow
def test_jax(data, tmp_path, monkeypatch):
    """Few parts of different lengths, for each of which operations are compiled."""
    pytest.importorskip("jax")
    monkeypatch.setattr(parts, "NUMBERS", 14 * (N + K))
    X, y = data
    layers = gn.Dropout(0.2), gn.Dense(K, "softmax")
    weights = np.linspace(0.5, 2, M)
    one, two = both((mapped(tmp_path, "X", X), y), X, y, layers, {"sample_weight": weights}, "jax")
    close(one, two, rtol=1e-5)


OPTIMIZERS = [
    gn.GradientDescent(0.5),
    gn.GradientDescent(gn.Cosine(0.3), momentum=0.9),
    gn.RMSprop(0.01, decay=0.8),
    gn.Adam(gn.InverseTime(0.02, 2), beta1=0.7),
    gn.AdamW(0.01, weight_decay=0.3),
    gn.Adam(0.01, clip_norm=0.1),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer(optimizer, data, tmp_path):
    X, y = data
    one, two = both((mapped(tmp_path, "X", X), y), X, y, options={"optimizer": optimizer, "epochs": 5})
    close(one, two, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_standardizer_weights_of_classes_and_frozen_layers(dtype, data, tmp_path):
    X, y = 50 * data[0] + 3, data[1]
    options = {"class_weight": "balanced", "label_smoothing": 0.1, "epochs": 4}
    layers = gn.Dense(6, "tanh", trainable=False), gn.Dense(5, "relu"), gn.Dense(K, "softmax")
    given = {"standardizer": gn.Standardizer("set"), "dtype": dtype}
    one, two = both((mapped(tmp_path, "X", X), y), X, y, layers, options, **given)
    close(one, two, rtol=1e-5)
    two.set_trainable([True, False, True])
    one.set_trainable([True, False, True])
    one.fit(mapped(tmp_path, "X", X), y, batch_size=None, epochs=2)
    two.fit(X, y, batch_size=None, epochs=2)
    close(one, two, rtol=1e-4)


@pytest.mark.parametrize(
    ("backend", "kind", "batch_size"),
    [
        *(("numpy", kind, size) for kind in ("file", "pieces") for size in (10, 25, 31, 59)),
        *((name, "file", 25) for name in ("readonly", "strict", "torch", "cupy")),
    ],
    indirect=["backend"],
)
def test_batches_that_are_larger_than_a_window(kind, batch_size, backend, data, tmp_path):
    """Each epoch has its order; the last batch is smaller. Masks are those of the whole batch."""
    X, y = data
    weights = np.linspace(0.5, 2, M)
    layers = gn.Dense(5, "tanh"), gn.Dropout(0.4), gn.Dense(K, "softmax")
    one, two = (network(backend, *layers, seed=5) for _ in range(2))
    options = {"batch_size": batch_size, "optimizer": gn.Adam(0.01)}
    source = (mapped(tmp_path, "X", X), y, weights)
    if kind == "pieces":
        cuts = itertools.pairwise([0, 1, 13, 14, 40, 60])
        pieces = [(X[a:b], y[a:b], weights[a:b]) for a, b in cuts]
        source = (lambda: iter(pieces), None, None)
    history = one.fit(*source[:2], sample_weight=source[2], epochs=2, **options)
    expected = []
    for epoch in range(2):
        order = used_order(M, ROWS, HELD, 5, epoch, sequential=kind == "pieces")
        more = {"epochs": 1, "shuffle": False, "sample_weight": weights[order]}
        expected += two.fit(X[order], y[order], **more, **options).loss
    close(one, two, rtol=1e-5)
    np.testing.assert_allclose(history.loss, expected, rtol=1e-5)


def test_without_shuffling(data, tmp_path):
    X, y = data
    options = {"batch_size": 25, "shuffle": False}
    close(*both((mapped(tmp_path, "X", X), y), X, y, options=options), rtol=1e-5)


def test_validation_and_early_stopping(data, tmp_path):
    X, y = data
    held = (X[:20], y[:20][::-1].copy())

    def options(validation):
        stop = gn.EarlyStopping(patience=2)
        return {"epochs": 60, "batch_size": None, "validation_data": validation, "callbacks": stop}

    one, two = (network("numpy", seed=5) for _ in range(2))
    optimizer = gn.Adam(0.05)
    first = one.fit(
        mapped(tmp_path, "X", X), y, optimizer=optimizer, **options((mapped(tmp_path, "V", held[0]), held[1]))
    )
    second = two.fit(X, y, optimizer=optimizer, **options(held))
    assert 3 < first.epochs == second.epochs < 60
    np.testing.assert_allclose(first.val_loss, second.val_loss, rtol=1e-5)
    close(one, two, rtol=1e-4)


def test_going_on_is_as_without_a_break(data, tmp_path):
    X, y = mapped(tmp_path, "X", data[0]), data[1]
    layers = gn.Dropout(0.3), gn.Dense(5, "tanh"), gn.Dense(K, "softmax")
    one, two = (network("numpy", *layers) for _ in range(2))
    options = {"batch_size": None, "optimizer": gn.Adam(0.01)}
    one.fit(X, y, epochs=4, **options)
    for epochs in (1, 3):
        two.fit(X, y, epochs=epochs, **options)
    assert same(one, two)


@pytest.mark.parametrize(("batch_size", "every"), [(None, None), (11, 2), (25, 1)])
@pytest.mark.parametrize("kind", ["file", "pieces"])
def test_a_run_goes_on_to_the_bit(kind, batch_size, every, data, tmp_path, monkeypatch):
    X, y = data
    source = (mapped(tmp_path, "X", X), y) if kind == "file" else (lambda: [(X[:9], y[:9]), (X[9:], y[9:])],)

    def fit(folder):
        layers = gn.Dropout(0.2), gn.Dense(5, "relu"), gn.Dense(K, "softmax")
        net = network("numpy", *layers, standardizer=gn.Standardizer())
        checkpoint = gn.Checkpoint(tmp_path / folder, every=0.0, steps=every)
        optimizer = gn.GradientDescent(gn.Cosine(0.1), 0.5)
        net.fit(*source, optimizer=optimizer, epochs=9, batch_size=batch_size, checkpoint=checkpoint)
        return net

    require_that_it_goes_on(fit, monkeypatch)


@pytest.mark.parametrize("batch_size", [None, 25])
def test_a_divergence_is_found_again(batch_size, data, tmp_path):
    X = data[0]
    y = data[0][:, :1] * 2
    one, two = (network("numpy", gn.Dense(6, "relu"), gn.Dense(1)) for _ in range(2))
    options = {"optimizer": gn.GradientDescent(3.0), "batch_size": batch_size, "epochs": 50}
    options["shuffle"] = False
    with pytest.raises(gn.Diverged) as first:
        one.fit(mapped(tmp_path, "X", X), y, **options)
    with pytest.raises(gn.Diverged) as second:
        two.fit(X, y, **options)
    assert (first.value.epoch, first.value.step) == (second.value.epoch, second.value.step)
    assert first.value.epoch > 1
    close(one, two, rtol=1e-2)


@pytest.mark.parametrize("batch_size", [None, 25])
@pytest.mark.parametrize("kind", ["file", "pieces"])
@pytest.mark.parametrize("ranks", [2, 3])
def test_a_team(ranks, kind, batch_size, data, tmp_path):
    """One process and several have the same bits, each with the rows of its lanes alone."""
    X, y = data
    passes = []

    def pieces():
        passes.append(1)
        return [(X[:9], y[:9]), (X[9:], y[9:])]

    source = (mapped(tmp_path, "X", X), y) if kind == "file" else (pieces,)
    layers = gn.Dropout(0.2), gn.Dense(5, "tanh"), gn.Dense(K, "softmax")
    options = {"batch_size": batch_size, "optimizer": gn.Adam(0.01), "shuffle": False, "epochs": 3}

    def fit(team):
        net = network("numpy", *layers, seed=2)
        return net, net.fit(*source, team=team, **options)

    alone, history = fit(gn.Team("alone"))
    passes.clear()
    for net, found in on_ranks(ranks, fit):
        assert same(net, alone)
        assert found.loss == history.loss
    assert len(passes) == (kind == "pieces") * ranks * (2 + 3)  # what they are, and that all ranks have them
    two = network("numpy", *layers, seed=2)
    two.fit(X, y, **options)
    close(alone, two, rtol=1e-5)


def test_a_transform_sees_whole_batches(data, tmp_path):
    """So it is refused, before a file is read."""
    X, y = mapped(tmp_path, "X", data[0]), data[1]
    for batch_size, what in ((None, "batch_size=None, a full batch"), (10, "batch_size=10")):
        net = network("numpy")
        with pytest.raises(ValueError, match=f"transform changes a whole batch, and {what}.*of 9 at most"):
            net.fit(X, y, batch_size=batch_size, transform=lambda X, rng: X)
        assert net.history is None
    network("numpy").fit(X, y, batch_size=9, epochs=1, transform=lambda X, rng: X)


def test_what_is_small_enough_is_one_batch(data, tmp_path):
    one = network("numpy")
    assert one.fit(mapped(tmp_path, "X", data[0]), data[1], batch_size=9, epochs=1).program != "accumulation"


def test_a_rate_is_found(data, tmp_path):
    X, y = data
    one, two = (
        gn.find_learning_rate(copy.copy(network("numpy")), source, y, batch_size=None, updates=40)
        for source in (mapped(tmp_path, "X", X), X)
    )
    np.testing.assert_allclose(one.losses, two.losses, rtol=1e-3)


def test_the_parts_of_some_steps(monkeypatch):
    """They end where windows do, and have so many examples that their activations take no more than they may."""
    monkeypatch.setattr(parts, "NUMBERS", 8 * (2 + 3 + 1))
    plan = Plan(
        (Layer(2, 3, "relu"), Layer(3, 1, "identity")), "squared_error", gn.Adam(), 50, 23, in_parts=True
    )
    order = np.random.default_rng(0).permutation(20).astype("int32")
    X = np.arange(40.0).reshape(20, 2).T

    class Windows:
        """Of 20 examples each, or what is left."""

        def positions(self, epoch, position):
            first = position // 20 * 20
            return range(first, min(first + 20, 50))

        def at(self, epoch, position):
            assert epoch == 4
            size = len(self.positions(epoch, position))
            return Window(Examples(X, 10 * X[:1], None), order[order < size])

    found = parts.PartsOfWindows(Windows(), plan, host_placement(), 4, range(23, 50), True)
    assert found.shape == (2, 27)
    for first, last, sizes in ((0, 23, [8, 8, 1, 6]), (23, 27, [4]), (1, 9, [8])):
        taken = list(found.parts(first, last))
        assert [part.X.shape[1] for part in taken] == sizes
        expected = [order[order < (20 if p < 40 else 10)][p % 20] for p in range(23 + first, 23 + last)]
        together = np.concatenate([part.X for part in taken], axis=1)
        np.testing.assert_array_equal(together, X[:, expected])
        np.testing.assert_array_equal(np.concatenate([part.Y for part in taken], axis=1), 10 * together[:1])
        assert all(part.example_weights is None for part in taken)
    monkeypatch.setattr(parts, "NUMBERS", 5)
    found = parts.PartsOfWindows(Windows(), plan, host_placement(), 4, range(23, 50), True)
    assert [part.X.shape[1] for part in found.parts(3, 5)] == [1, 1]
    found = parts.PartsOfWindows(
        Windows(), plan, host_placement(), 4, range(23, 50), False
    )  # nothing is kept
    assert [part.X.shape[1] for part in found.parts(3, 25)] == [14, 8]
