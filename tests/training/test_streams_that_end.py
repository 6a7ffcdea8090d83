"""Runs on blocks that end: divergence, checkpoints, bad rows, and no thread that is left."""

import gc
import threading

import numpy as np
import pytest

import gpunet as gn
from broken_runs import require_that_it_goes_on
from gpunet.devices.transfer import Transfer
from gpunet.inputs.blocks.stream import Stream
from gpunet.training.windows import Windows
from small_networks import K, N, network, same
from streams import ROWS, change, few_rows, in_memory, mapped, small_blocks, used_order
from thread_team import on_ranks


@pytest.fixture
def data(rng):
    return few_rows(rng)


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


@pytest.mark.parametrize("batch_size", [8, 11])
def test_a_source_that_has_become_longer(batch_size, data, monkeypatch):
    """By a whole block at its end, which no window has room for."""
    small_blocks(monkeypatch, 6, 2, N)
    X, y = data
    passes = []

    def pieces():
        passes.append(1)
        yield X, y
        if len(passes) > 3:
            yield X[:6], y[:6]

    net = network("numpy")
    with pytest.raises(ValueError, match="X gave 60 examples at first, and now more"):
        net.fit(pieces, epochs=5, batch_size=batch_size)
    assert len(passes) == 4
    assert len(net.history.loss) == 2


@pytest.mark.parametrize("stopping", [False, True])
def test_each_epoch_of_a_run_but_the_first_is_read_ahead(stopping, data, tmp_path, monkeypatch):
    """Also of a network that has been trained before; blocks are read once in each, and after it once more at most."""
    small_blocks(monkeypatch, 7, 2, N)
    X, y, net = mapped(tmp_path, "X", data[0]), data[1], network("numpy")
    net.fit(X, y, epochs=2, batch_size=8)
    read, ends, examples, close = [], [], Stream.examples, Windows.close
    monkeypatch.setattr(Stream, "examples", lambda *given: (read.append(1), examples(*given))[1])
    monkeypatch.setattr(Windows, "close", lambda self: (ends.append(self.epochs), close(self)))
    stop = [lambda network, history: history.epochs == 2] if stopping else []
    before = len(threading.enumerate())
    net.fit(X, y, epochs=3, batch_size=8, callbacks=stop)
    assert ends == [5]
    epochs, blocks = (2, 9) if stopping else (3, 9)
    assert epochs * blocks <= len(read) - 1 <= epochs * blocks + 2 * stopping  # one to have a sample
    assert len(threading.enumerate()) == before


@pytest.mark.parametrize("where", ["begin", "take"])
@pytest.mark.parametrize(("copies", "epochs"), [(0, 0), (2, 0), (8, 1), (9, 1), (10, 2)])
def test_no_memory_for_a_window(copies, epochs, where, data, tmp_path, monkeypatch):
    """While its copy is begun by the thread, or when it is taken: weights are those after the last epoch."""
    small_blocks(monkeypatch, 7, 2, N)  # five windows
    X, y = mapped(tmp_path, "X", data[0]), data[1]
    one, two = network("numpy"), network("numpy")
    if epochs:
        two.fit(X, y, epochs=epochs, batch_size=8)
    begin, count = Transfer.begin, [0]

    def counted():
        count[0] += 1
        if count[0] > copies:
            raise MemoryError("3 TiB")

    def failing(self, arrays):
        if where == "begin":
            counted()
        take = begin(self, arrays)
        return lambda: (counted() if where == "take" else None, take())[1]

    monkeypatch.setattr(Transfer, "begin", failing)
    before = threading.active_count()
    with pytest.raises(
        gn.OutOfMemory, match=r"while examples were copied to it .* with batch_size=8; .*3 TiB"
    ):
        one.fit(X, y, epochs=4, batch_size=8)
    assert same(one, two)
    assert len(one.history.loss) == epochs
    gc.collect()
    assert threading.active_count() == before


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
