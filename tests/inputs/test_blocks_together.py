"""Blocks of integers are checked several at a time, where they lie; all others one by one."""

import itertools

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.placement import host_placement
from gpunet.devices.reused_memory import ReusedMemory
from gpunet.inputs.blocks.blocks import Block, SlicedBlocks
from gpunet.inputs.blocks.opened import sliced
from gpunet.inputs.blocks.room import Room
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.integer_examples import IntegerExamples
from gpunet.inputs.pipeline import InputPipeline

M, N = 24, 3


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (M, N)).astype("uint8"), rng.integers(0, 3, M)


def stream(X, y, standardizer=None, dtype="float32", keeps=True):
    pipeline = InputPipeline(
        host_placement(), dtype, N, gn.Dense(3, "softmax"), "cross_entropy", standardizer
    )
    made = Stream(SlicedBlocks(sliced("X", X), sliced("y", y)), pipeline)
    return made.with_integers() if keeps else made


def parts_of(made, blocks):
    """How many examples come together, the rows of X, and where they are."""
    room = Room(ReusedMemory())
    room.begin(M)
    found = []
    for part in made.together(iter(blocks), room):
        assert np.array_equal(
            np.argmax(part.Y, axis=0), [one % 3 for one in range(sum(found), sum(found) + part.m)]
        )
        found.append(part.m)
        room.filled = sum(found)
    return found, room


def blocks_of(X, sizes, y=None, weights=None, types=()):
    """Blocks of these sizes; the k-th one as `types` says for ``(X, y, weights)``."""
    edges, found = np.cumsum([0, *sizes]), []
    y = np.arange(M) % 3 if y is None else y
    for k, (a, b) in enumerate(itertools.pairwise(edges)):
        block = [X[a:b], y[a:b], None if weights is None else weights[a:b]]
        for place, change in dict(types).get(k, {}).items():
            block[place] = change(block[place])
        found.append(Block(int(a), *block))
    return found


def test_alike(rows):
    X, _ = rows
    for given, weights in ((X, None), (X.astype("int16"), np.ones(M)), (X > 9, None)):
        made = stream(given, np.arange(M) % 3)
        found, room = parts_of(made, blocks_of(given, (5, 7, 12), weights=weights))
        assert found == [M] and np.array_equal(room.rows, given)


@pytest.mark.parametrize(
    "change",
    [
        {0: lambda X: X.astype("int16")},
        {0: lambda X: X.astype("float32")},
        {1: lambda y: y.astype("int32")},
        {1: lambda y: y[:, None]},
        {2: lambda w: w.astype("float32")},
    ],
)
def test_of_another_type(change, rows):
    X, _ = rows
    weights = np.ones(M) if 2 in change else None
    first = (
        [5, 7, 12] if (0 in change and change[0](X).dtype == "int16") else [5, 19]
    )  # whose room is for int16 then
    for k, together in ((0, first), (1, [5, 7, 12]), (2, [12, 12])):
        blocks = blocks_of(X, (5, 7, 12), weights=weights, types={k: change})
        assert parts_of(stream(X, np.arange(M) % 3), blocks)[0] == together


def test_one_by_one(rows):
    X, _ = rows
    y = np.arange(M) % 3

    class Other(gn.Standardizer):
        pass

    for made in (stream(X, y, keeps=False), stream(X, y, Other()), stream(X.astype("float32"), y)):
        found, room = parts_of(made, blocks_of(made.blocks.X.read(0, M), (5, 7, 12)))
        assert found == [5, 7, 12] and room.rows is None


def test_the_row_of_a_bad_target(rows):
    X, _ = rows
    y = np.arange(M) % 3
    y[13] = 7
    made = stream(X, y)
    for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):  # as an epoch draws them
        blocks = blocks_of(X, (5, 7, 12), y)
        with pytest.raises(ValueError, match="row 13"):
            parts_of(made, [blocks[k] for k in order])
    with pytest.raises(ValueError, match="row 13"):
        made.examples(Block(12, X[12:], y[12:], None))


@pytest.mark.parametrize(
    ("dtype", "stored", "times"),
    [("float32", "uint8", 4), ("float64", "bool", 8), ("float32", "int16", 2), ("float32", "float32", 1)],
)
def test_how_much_less_memory_integers_take(dtype, stored, times, rows):
    X, y = rows
    assert stream(X.astype(stored), y, dtype=dtype).compactness == times
    assert stream(X.astype(stored), y, dtype=dtype, keeps=False).compactness == 1


def test_what_becomes_of_them(rows):
    X, y = rows
    standardizer = gn.Standardizer()
    standardizer.mean, standardizer.deviation = np.arange(3.0), np.arange(1.0, 4)
    made = stream(X, y, standardizer)
    columns = made.columns(X)
    assert isinstance(columns, IntegerExamples) and np.array_equal(columns.rows, X)
    assert np.allclose(columns.as_array().T, (X - np.arange(3)) / np.arange(1, 4))
    assert np.array_equal(stream(X, y, keeps=False).columns(X), X.T)
