"""Data that a team reads block by block: each rank its own rows."""

import threading

import numpy as np
import pytest

import gpunet as gn
from gpunet.inputs.blocks.sliced import ArraySlices
from gpunet.inputs.blocks.stream import Stream
from small_networks import K, N, network, same
from streams import ROWS, few_rows, mapped, small_blocks
from thread_team import on_ranks


@pytest.fixture
def data(rng):
    return few_rows(rng)


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


def test_rows_that_come_in_other_blocks_are_told(data, monkeypatch):
    """The same rows, which each rank would use in an order of its own."""
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data

    def run(team):
        rows = ArraySlices("X", X)
        rows.together = (1, 5)[team.rank]  # as the chunks of two files of the same numbers may be
        net = network("numpy", seed=2)
        net.fit(rows, y, epochs=1, batch_size=20, team=team)

    for error in on_ranks(2, run):
        assert isinstance(error, gn.RanksDiffer)
        assert "blocks of X is 'int64" in str(error)
