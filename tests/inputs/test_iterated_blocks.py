"""Iterables of blocks: pieces of any lengths, and bad ones."""

import numpy as np
import pytest

import gpunet as gn
from block_rows import M, all_rows, some_rows
from gpunet.inputs.blocks.iterated import IteratedBlocks
from small_networks import N, network, same
from streams import small_blocks


@pytest.fixture
def data(rng):
    return some_rows(rng)


@pytest.mark.parametrize("cuts", [(), (1, 2, 30), (7, 14, 21), (49,)])
def test_pieces_of_any_lengths_make_blocks_of_one(cuts, data, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    pieces = list(zip(np.split(X, cuts), np.split(y, cuts), strict=True))
    blocks = IteratedBlocks("X", pieces)
    for _ in range(2):
        found = all_rows(blocks)
        assert np.array_equal(found[0], X)
        assert np.array_equal(found[1], y)
        assert [len(block.X) for block in blocks.all()] == [7] * 7 + [1]
    assert blocks.shape == X.shape
    assert blocks.edges.tolist() == [*range(0, M, 7), M]
    assert [block.first for block in blocks.read(range(3, 8))] == [21, 28, 35, 42, 49]
    assert not blocks.weighted


def test_an_iterator_is_refused(data):
    X, y = data
    net = network("numpy", standardizer=gn.Standardizer())
    before = net.parameters
    for epochs in (1, 2):
        with pytest.raises(TypeError, match="X is a generator, which can be read only once"):
            net.fit(((X[i : i + 9], y[i : i + 9]) for i in range(0, M, 9)), epochs=epochs)
    assert all(
        np.array_equal(a, b)
        for p, q in zip(net.parameters, before, strict=True)
        for a, b in zip(p, q, strict=True)
    )
    with pytest.raises(TypeError, match=r"validation X is a generator|validation_data is a generator"):
        net.fit(X, y, validation_data=((X, y) for _ in range(2)))


PIECES = {
    "another width": (
        [("X", "y"), ("wide", "y")],
        ValueError,
        r"X of block 1 has rows of shape \(4,\), those of the",
    ),
    "an empty block": (
        [("X", "y"), ("none", "no y")],
        ValueError,
        "block 1 must hold rows .* which is empty",
    ),
    "fewer targets": ([("X", "y"), ("X", "short")], ValueError, "y of block 1 has 4 rows, its X has 5"),
    "weights later": ([("X", "y"), ("X", "y", "w")], ValueError, "block 1 has 3 parts, the first one has 2"),
    "fewer weights": ([("X", "y", "short")], ValueError, "sample_weight of block 0 has 4 rows, its X has 5"),
    "no pair": ([("X", "y"), "X"], TypeError, "must give blocks .* block 1 is ndarray"),
    "four parts": ([("X", "y", "w", "w")], TypeError, "block 0 is 4 items"),
    "nothing": ([], ValueError, "X is empty: there is no block in it"),
    "NaN": ([("X", "y"), ("nan", "y")], ValueError, "X holds NaN, .* first in row 7"),
    "a class too many": ([("X", "y"), ("X", "high")], ValueError, "y must hold class numbers .*; row 8 is 9"),
    "half a class": ([("X", "y"), ("X", "half")], ValueError, "y must hold class numbers .*; row 6 is 0.5"),
    "NaN in y": ([("X", "y"), ("X", "nan y")], ValueError, "y holds NaN, .* first in row 9"),
    "a negative weight": (
        [("X", "y", "w"), ("X", "y", "minus")],
        ValueError,
        "sample_weight is negative in row 5",
    ),
    "no weight at all": ([("X", "y", "zero")] * 2, ValueError, "every example weight 0"),
    "text": ([("text", "y")], TypeError, "X must hold real numbers, it holds text"),
    "one row": ([("row", "y")], ValueError, "must hold rows of examples"),
}


@pytest.mark.parametrize("case", PIECES)
def test_bad_pieces(case, monkeypatch):
    """Found before anything has changed, and named by their row among all."""
    monkeypatch.setattr("gpunet.inputs.blocks.blocks.NUMBERS", 2 * 3)  # blocks of two rows
    X, y = np.ones((5, 3), "float32"), np.zeros(5)
    known = {
        "X": X,
        "y": y,
        "w": np.ones(5),
        "wide": np.ones((5, 4)),
        "none": X[:0],
        "no y": y[:0],
        "short": y[:4],
        "nan": np.where(np.arange(5)[:, None] == 2, np.nan, X),
        "high": np.array([0, 0, 0, 9, 9]),
        "half": np.array([0, 0.5, 0, 0, 0]),
        "nan y": np.array([0, 0, 0, 0, np.nan]),
        "minus": np.array([-1, 1, 1, 1, 1]),
        "zero": np.zeros(5),
        "text": X.astype(str),
        "row": X[0],
    }
    names, error, said = PIECES[case]
    pieces = [known[name] if isinstance(name, str) else tuple(known[one] for one in name) for name in names]
    net = network("numpy", standardizer=gn.Standardizer())
    before = net.parameters
    with pytest.raises(error, match=said):
        net.fit(lambda: pieces)
    assert not net.standardizer.fitted
    assert net.history is None
    for old, new in zip(before, net.parameters, strict=True):
        assert all(np.array_equal(*pair) for pair in zip(old, new, strict=True))


@pytest.mark.parametrize("change", [-3, 3, 40])
def test_a_source_that_changes_its_length(change, data, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    lengths = iter([30, 30, 30 + change])  # the first pass, two epochs

    def pieces():
        m = next(lengths)
        return [(np.resize(X, (m, N)), np.resize(y, m))]

    net, other = network("numpy"), network("numpy")
    other.fit(lambda: [(X[:30], y[:30])], epochs=1, batch_size=4)
    with pytest.raises(ValueError, match="gave 30 examples at first, and now"):
        net.fit(pieces, epochs=5, batch_size=4)
    assert same(net, other)


@pytest.mark.parametrize("function", [lambda epoch: [], gn.Dense])
def test_a_function_has_no_parameters(function):
    with pytest.raises(
        TypeError, match=r"^X must be a function \(\) -> generator of blocks, .*; the parameters of .* are \("
    ):
        network("numpy").fit(function)


def refilled(X, y, size, weights=None):
    """A function whose generator fills the same arrays for each piece, as one that reads files may."""

    def pieces():
        A, b, c = np.empty((size, N), "float32"), np.empty(size, y.dtype), np.empty(size)
        for first in range(0, len(X), size):
            count = len(X[first : first + size])
            A[:count], b[:count] = X[first : first + size], y[first : first + size]
            if weights is None:
                yield A[:count], b[:count]
            else:
                c[:count] = weights[first : first + size]
                yield A[:count], b[:count], c[:count]
        A[:], b[:] = 0, 0

    return pieces


@pytest.mark.parametrize("size", [3, 7, 20, M])
def test_arrays_that_a_source_fills_again(size, data, monkeypatch):
    """Pieces that are smaller than a block, as large, and larger, some of whose rows wait for the next one."""
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    weights = np.linspace(1, 2, M)
    blocks = IteratedBlocks("X", refilled(X, y, size, weights))
    kept = list(blocks.all())
    assert np.array_equal(np.concatenate([block.X for block in kept]), X)
    assert np.array_equal(np.concatenate([block.y for block in kept]), y)
    assert np.array_equal(np.concatenate([block.weights for block in kept]), weights)
    one, two = network("numpy"), network("numpy")
    one.fit(refilled(X, y, size), epochs=2, batch_size=4)
    two.fit(lambda: [(X, y)], epochs=2, batch_size=4)
    assert same(one, two)
    labels = np.eye(4, dtype="float32")[y]
    found = one.evaluate(lambda: ((A, labels[i : i + len(A)]) for i, A in refilled_rows(X, size)))
    assert found == pytest.approx(one.evaluate(X, labels))


def refilled_rows(X, size):
    A = np.empty((size, N), "float32")
    for first in range(0, len(X), size):
        count = len(X[first : first + size])
        A[:count] = X[first : first + size]
        yield first, A[:count]
