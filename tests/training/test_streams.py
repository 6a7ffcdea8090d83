"""Training on data that are read block by block: the same run as in memory, in the same order."""

import itertools

import numpy as np
import pytest

import gpunet as gn
from small_networks import K, N, close, network, same
from streams import ROWS, change, few_rows, in_memory, mapped, small_blocks, used_order


@pytest.fixture
def data(rng):
    return few_rows(rng)


@pytest.mark.parametrize(("rows", "held"), [(7, 100), (7, 2), (20, 1)])
@pytest.mark.parametrize("batch_size", [1, 8, 25])
def test_the_same_run_as_in_memory(backend, rows, held, batch_size, data, tmp_path, monkeypatch):
    """To the bit: all in one window, and in windows whose edges lie within batches."""
    if backend.name == "jax" and (batch_size != 8 or held == 1):
        pytest.skip("compiling takes most of the time; some sizes will do")
    small_blocks(monkeypatch, rows, held, N)
    X, y = data
    layers = gn.Dropout(0.2), gn.Dense(5, "tanh"), gn.Dense(K, "softmax")
    one, two = (network(backend, *layers, seed=5) for _ in range(2))
    options = {"optimizer": gn.Adam(0.01), "batch_size": batch_size}
    weights = np.linspace(0.5, 2, ROWS)
    history = one.fit(mapped(tmp_path, "X", X), y, epochs=2, sample_weight=weights, **options)
    orders = [used_order(ROWS, rows, held, 5, epoch) for epoch in range(2)]
    expected = in_memory(two, X, y, orders, weights, **options)
    if backend.name == "jax":  # a chunk of another length is compiled anew
        close(one, two, rtol=1e-5)
        return
    assert same(one, two)
    np.testing.assert_allclose(history.loss, expected, rtol=1e-6)  # a mean of the same losses
    assert history.examples == ROWS


@pytest.mark.parametrize("batch_size", [1, 2, 10])
def test_programs_of_numpy(batch_size, data, tmp_path, monkeypatch):
    """Plain, compiled and blocked ones; blocks of steps end where windows do."""
    monkeypatch.setattr("gpunet_numpy.tiered.epoch_seconds", lambda plan: 1e9)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(400, 64)).astype("float32"), rng.integers(0, K, 400)
    small_blocks(monkeypatch, 33, 3, 64)
    layers = gn.Dense(32, "relu"), gn.Dense(K, "softmax")
    one, two = (network("numpy", *layers, inputs=64, seed=2) for _ in range(2))
    options = {"optimizer": gn.GradientDescent(0.1), "batch_size": batch_size}
    history = one.fit(mapped(tmp_path, "X", X), y, epochs=2, **options)
    in_memory(two, X, y, [used_order(400, 33, 3, 2, epoch) for epoch in range(2)], **options)
    assert same(one, two)
    assert history.program == two.history.program


def test_going_on_is_as_without_a_break(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 3, N)
    X, y = mapped(tmp_path, "X", data[0]), data[1]
    one, two = (network("numpy") for _ in range(2))
    one.fit(X, y, epochs=4, batch_size=8, optimizer=gn.Adam(0.01))
    for epochs in (1, 3):
        two.fit(X, y, epochs=epochs, batch_size=8, optimizer=gn.Adam(0.01))
    assert same(one, two)


def test_without_shuffling_it_is_the_run_in_memory(backend, data, tmp_path, monkeypatch):
    if backend.name == "jax":
        pytest.skip("compiling takes most of the time; with shuffling it has a test")
    small_blocks(monkeypatch, 7, 3, N)
    X, y = data
    one, two = (network(backend) for _ in range(2))
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "optimizer": gn.Adam(0.01)}
    first = one.fit(
        mapped(tmp_path, "X", X), y, validation_data=(mapped(tmp_path, "V", X[:50]), y[:50]), **options
    )
    second = two.fit(X, y, validation_data=(X[:50], y[:50]), **options)
    close(one, two, rtol=1e-5)
    assert first.val_loss == pytest.approx(second.val_loss, rel=1e-5)
    assert first.val_accuracy == pytest.approx(second.val_accuracy)


def test_sequential_blocks(data, monkeypatch):
    """Pieces of any length; rows are mixed within the blocks that are held."""
    small_blocks(monkeypatch, 7, 3, N)
    X, y = data
    weights = np.linspace(1, 2, ROWS)
    cuts = [0, 1, 13, 14, 40, 59, 60]

    def pieces():
        for first, last in itertools.pairwise(cuts):
            yield X[first:last], y[first:last], weights[first:last]

    one, two = (network("numpy", seed=4) for _ in range(2))
    options = {"optimizer": gn.GradientDescent(0.1, momentum=0.5), "batch_size": 8}
    one.fit(pieces, epochs=3, **options)
    orders = [used_order(ROWS, 7, 3, 4, epoch, sequential=True) for epoch in range(3)]
    in_memory(two, X, y, orders, weights, **options)
    assert same(one, two)


def test_a_data_loader(data, monkeypatch):
    torch = pytest.importorskip("torch")
    small_blocks(monkeypatch, 7, 3, N)
    X, y = data
    examples = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    one, two = (network("numpy") for _ in range(2))
    one.fit(
        torch.utils.data.DataLoader(examples, batch_size=11), epochs=2, batch_size=8, validation_data=(X, y)
    )
    two.fit(lambda: [(X, y)], epochs=2, batch_size=8, validation_data=lambda: [(X, y)])
    assert same(one, two)
    assert one.history.val_loss == pytest.approx(two.history.val_loss, rel=1e-6)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("kind", ["uint8", "float64"])
def test_a_standardizer_is_fitted_on_the_way(kind, raw, rng, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 3, N)
    X = rng.integers(0, 255, (ROWS, N)).astype(kind) + (0 if kind == "uint8" else 1e7)
    y = rng.normal(size=(ROWS, 2))
    one, two = (network("numpy", gn.Dense(2), standardizer=gn.Standardizer("set")) for _ in range(2))
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "optimizer": gn.Adam(0.01)}
    if raw:
        options["transform"] = lambda X, rng: X
    one.fit(mapped(tmp_path, "X", X), y, **options)
    two.fit(X, y, **options)
    np.testing.assert_allclose(one.standardizer.mean, two.standardizer.mean, rtol=1e-6)
    np.testing.assert_allclose(one.standardizer.deviation, two.standardizer.deviation, rtol=1e-5)
    close(one, two)


@pytest.mark.parametrize("most", [2**22, 20 * N])
def test_a_transform_of_a_stream(backend, most, data, tmp_path, monkeypatch):
    if backend.name == "jax":
        pytest.skip("compiling takes most of the time")
    small_blocks(monkeypatch, 7, 3, N)
    monkeypatch.setattr("gpunet.training.feed.MOST_TRANSFORMED", most)
    X, y = data

    def on_host(X, y, rng):
        return change(*(np.array(backend.to_host(A)) for A in (X, y)), rng)

    one, two = (network(backend) for _ in range(2))
    one.fit(mapped(tmp_path, "X", X), y, epochs=2, batch_size=8, transform=on_host)
    in_memory(two, X, y, [used_order(ROWS, 7, 3, 0, e) for e in range(2)], batch_size=8, transform=on_host)
    assert same(one, two)


def test_frozen_layers(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 3, N)
    X, y = data
    one, two = (network("numpy") for _ in range(2))
    for net in (one, two):
        net.set_trainable([False, True])
    one.fit(mapped(tmp_path, "X", X), y, epochs=2, batch_size=8)
    in_memory(two, X, y, [used_order(ROWS, 7, 3, 0, epoch) for epoch in range(2)], batch_size=8)
    assert same(one, two)


def test_weights_of_classes_and_smoothed_labels(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 3, N)
    X, y = data
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "label_smoothing": 0.1}
    for class_weight in ("balanced", {1: 3.0}, [1, 2, 3, 4]):
        one, two = (network("numpy") for _ in range(2))
        one.fit(mapped(tmp_path, "X", X), y, class_weight=class_weight, **options)
        two.fit(X, y, class_weight=class_weight, **options)
        close(one, two, rtol=1e-6)


def test_targets_in_words_and_in_files(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 3, N)
    X, y = mapped(tmp_path, "X", data[0]), data[1]
    words = np.array(["cat", "dog", "eel", "fox"])[y]
    nets = [network("numpy") for _ in range(3)]
    for net, targets in zip(nets, (y, words, mapped(tmp_path, "y", y)), strict=True):
        net.fit(X, targets, epochs=2, batch_size=8)
    assert same(nets[0], nets[1])
    assert same(nets[0], nets[2])
    assert nets[1].class_names == ("cat", "dog", "eel", "fox")
    assert nets[1].evaluate(X, words)["accuracy"] == nets[0].evaluate(X, y)["accuracy"]
