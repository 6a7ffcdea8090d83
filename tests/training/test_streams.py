"""Training on data that are read block by block: the same run as in memory, in the same order."""

import gc
import itertools
import threading

import numpy as np
import pytest

import gpunet as gn
from broken_runs import require_that_it_goes_on
from gpunet.inputs.blocks.sliced import ArraySlices
from gpunet.inputs.blocks.stream import Stream
from small_networks import K, N, close, network, same
from streams import mapped, small_blocks, used_order
from thread_team import on_ranks

ROWS = 60


@pytest.fixture
def data(rng):
    X = rng.normal(size=(ROWS, N)).astype("float32")
    return X, rng.integers(0, K, ROWS)


def in_memory(net, X, y, orders, weights=None, **options):
    """One epoch in each of these orders; the losses."""
    losses = []
    for order in orders:
        more = {} if weights is None else {"sample_weight": weights[order]}
        losses += net.fit(X[order], y[order], epochs=1, shuffle=False, **more, **options).loss
    return losses


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


def change(X, y, rng):
    return X + 0.1 * rng.normal(size=X.shape).astype("float32"), y[:, ::-1]


@pytest.mark.parametrize("most", [2**22, 20 * N])
def test_a_transform_of_a_stream(backend, most, data, tmp_path, monkeypatch):
    if backend.name == "jax":
        pytest.skip("compiling takes most of the time")
    small_blocks(monkeypatch, 7, 3, N)
    monkeypatch.setattr("gpunet.training.feed.NUMBERS", most)
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


def test_a_divergence_is_found_again(tmp_path, monkeypatch):
    """The last finite weights come from running the epoch again, whose windows are read anew."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(ROWS, N)).astype("float32"), rng.integers(0, K, ROWS)
    small_blocks(monkeypatch, 7, 2, N)
    one, two = (network("numpy", gn.Dense(6, "relu"), gn.Dense(1)) for _ in range(2))
    options = {"optimizer": gn.GradientDescent(3.0), "batch_size": 4}
    with pytest.raises(gn.Diverged) as first:
        one.fit(mapped(tmp_path, "X", X), y, epochs=50, **options)
    with pytest.raises(gn.Diverged) as second:
        in_memory(two, X, y, [used_order(ROWS, 7, 2, 0, epoch) for epoch in range(50)], **options)
    assert first.value.step == second.value.step > 2
    assert same(one, two)


@pytest.mark.parametrize("transform", [None, change])
@pytest.mark.parametrize(("batch_size", "every"), [(1, 5), (2, None), (8, 3), (1, 64)])
@pytest.mark.parametrize("kind", ["file", pytest.param("pieces", marks=pytest.mark.slow)])
def test_a_run_goes_on_to_the_bit(kind, batch_size, every, transform, tmp_path, monkeypatch):
    """From within an epoch, and within a window; blocked SGD shows where blocks of steps begin."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(150, N)).astype("float32"), rng.integers(0, K, 150)
    small_blocks(monkeypatch, 11, 3, N)
    source = (
        (mapped(tmp_path, "X", X), y) if kind == "file" else (lambda: [(X[:99], y[:99]), (X[99:], y[99:])],)
    )

    def fit(folder):
        net = network("numpy", gn.Dense(5, "relu"), gn.Dense(K, "softmax"), standardizer=gn.Standardizer())
        checkpoint = gn.Checkpoint(tmp_path / folder, every=0.0, steps=every)
        optimizer = gn.GradientDescent(gn.Cosine(0.1), 0.5)
        net.fit(
            *source,
            optimizer=optimizer,
            epochs=3,
            batch_size=batch_size,
            transform=transform,
            checkpoint=checkpoint,
        )
        return net

    require_that_it_goes_on(fit, monkeypatch)


def test_other_data_are_another_run(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 3, N)
    X, y = data
    for kind in ("file", "pieces"):
        folder = tmp_path / kind

        def fit(X, y, kind=kind, folder=folder):
            given = (
                (mapped(tmp_path, "X", X), y)
                if kind == "file"
                else (lambda: [(X[:9], y[:9]), (X[9:], y[9:])],)
            )
            network("numpy").fit(*given, epochs=2, checkpoint=folder)

        fit(X, y)
        fit(X, y)
        other = X.copy()
        other[50, 1] += 1
        with pytest.raises(gn.AnotherRun, match="X was"):
            fit(other, y)
        with pytest.raises(gn.AnotherRun, match="y was" if kind == "file" else "X was"):
            fit(X, y[::-1].copy())


def sources(X, y, folder):
    """The same rows in every kind of source."""
    parts = [(X[:25], y[:25]), (X[25:], y[25:])]
    return {
        "file": (mapped(folder, "X", X), y),
        "bytes": (mapped(folder, "B", (50 * X).astype("int16")), mapped(folder, "y", y)),
        "slices": (ArraySlices("X", X), y),
        "blocks": (lambda: iter(parts), None),
    }


@pytest.mark.parametrize("kind", ["file", "bytes", "slices", "blocks"])
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_a_team(ranks, kind, data, tmp_path, monkeypatch):
    """Each rank casts and keeps the rows of its lanes alone; the weights are those of one process, to the bit."""
    small_blocks(monkeypatch, 7, 2, N)
    monkeypatch.setattr("gpunet.inputs.blocks.sliced.NEAR", 0)
    X, y = sources(*data, tmp_path)[kind]
    epochs, taken = 3, {}  # the rows that each stream has read for training
    examples = Stream.examples

    def recorded(self, block):
        if threading.current_thread().name.startswith("gpunet reader"):
            rows = np.arange(len(block.X)) if block.rows is None else block.rows
            taken.setdefault(id(self), []).extend(block.first + rows)
            assert len(block.X) == len(block.y) == len(rows)
        return examples(self, block)

    def fit(team):
        net = network("numpy", seed=2, standardizer=gn.Standardizer("set"))
        more = {"batch_size": 25, "optimizer": gn.Adam(0.01), "class_weight": "balanced"}
        return net, net.fit(X, y, epochs=epochs, team=team, **more)

    monkeypatch.setattr(Stream, "examples", recorded)
    alone, history = fit(gn.Team("alone"))
    assert [np.bincount(rows).tolist() for rows in taken.values()] == [[epochs] * ROWS]
    taken.clear()
    for net, found in on_ranks(ranks, fit):
        assert same(net, alone)
        assert found.loss == history.loss
    assert len(taken) == ranks
    assert np.bincount(np.concatenate(list(taken.values()))).tolist() == [epochs] * ROWS
    # 25 = 8 lanes of 3 or 4; two such batches, and one of 10 with lanes of 1 or 2
    assert max(map(len, taken.values())) <= epochs * (4 + 4 + 2) * -(-8 // ranks)


@pytest.mark.parametrize("change", ["transform", "frozen"])
def test_a_team_whose_ranks_read_all_rows(change, data, tmp_path, monkeypatch):
    """A transform sees whole batches, and a product for other columns has other bits."""
    small_blocks(monkeypatch, 7, 2, N)
    X, y = mapped(tmp_path, "X", data[0]), data[1]
    examples = Stream.examples

    def of_a_whole_block(self, block):
        assert block.rows is None
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", of_a_whole_block)

    def fit(team):
        net = network("numpy", seed=2)
        more = {}
        if change == "frozen":
            net = network("numpy", gn.Dense(6, "tanh", trainable=False), gn.Dense(K, "softmax"), seed=2)
        else:
            more["transform"] = lambda X, rng: X + rng.normal(size=X.shape).astype("float32") + X.mean()
        net.fit(X, y, epochs=2, batch_size=25, team=team, **more)
        return net

    alone = fit(gn.Team("alone"))
    assert all(same(net, alone) for net in on_ranks(3, fit))


def test_a_row_that_is_bad_in_a_later_pass_is_named(data, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    passes, bad = {}, X.copy()
    bad[43, 1] = np.nan

    def fit(team):
        def source():
            passes[team.rank] = passes.get(team.rank, 0) + 1
            yield (bad if passes[team.rank] > 3 else X), y

        network("numpy", seed=2).fit(source, epochs=3, batch_size=25, team=team)

    errors = on_ranks(2, fit)
    assert any(
        "X holds NaN, infinity or a number too large for float32, first in row 43" in str(one)
        for one in errors
    )


def test_no_thread_is_left(data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 1, N)
    X, y = mapped(tmp_path, "X", data[0]), data[1]
    before = threading.active_count()
    network("numpy").fit(X, y, epochs=2, batch_size=8)

    def stop(network, history):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        network("numpy").fit(X, y, epochs=2, batch_size=8, callbacks=stop)
    gc.collect()
    assert threading.active_count() == before


# --- use ----------------------------------------------------------------------------------------------


def test_evaluation_by_blocks(backend, data, tmp_path, monkeypatch):
    X, y = data
    net = network(backend)
    net.fit(X, y, epochs=1)
    weights = np.linspace(1, 2, ROWS)
    whole = net.evaluate(X, y, weights)
    report, (J, gradients) = net.class_report(X, y), net.gradients(X, y)
    predicted = backend.to_host(net.predict(X)) if backend.owns(net.predict(X)) else net.predict(X)
    small_blocks(monkeypatch, 7, 3, N)
    source = mapped(tmp_path, "X", X)
    by_blocks = net.evaluate(source, y, weights)
    assert by_blocks["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert by_blocks["accuracy"] == pytest.approx(whole["accuracy"], rel=1e-6)
    assert np.array_equal(net.class_report(source, y).matrix, report.matrix)
    np.testing.assert_allclose(net.predict(source), predicted, rtol=1e-5)
    found = net.gradients(source, y)
    assert found[0] == pytest.approx(J, rel=1e-5)
    for pair, other in zip(found[1], gradients, strict=True):
        for one, two in zip(pair, other, strict=True):
            np.testing.assert_allclose(backend.to_host(one), backend.to_host(two), rtol=1e-3, atol=1e-6)


def test_metrics_of_a_validation_stream(data, tmp_path, monkeypatch):
    X, y = data
    one, two = (network("numpy") for _ in range(2))
    expected = one.fit(X, y, epochs=2, validation_data=(X[:50], y[:50]), metrics="f1_macro", shuffle=False)
    small_blocks(monkeypatch, 7, 3, N)
    held = mapped(tmp_path, "V", X[:50]), y[:50]
    found = two.fit(X, y, epochs=2, validation_data=held, metrics="f1_macro", shuffle=False)
    assert found.val_metrics == expected.val_metrics
    assert same(one, two)
