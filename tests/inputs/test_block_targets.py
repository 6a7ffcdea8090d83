"""Targets that are read block by block mean what they mean in memory."""

import numpy as np
import pytest

from gpunet.inputs.blocks.encoded import EncodedRows
from gpunet.inputs.blocks.sliced import ArraySlices
from gpunet.tables import Target
from small_networks import N, network
from streams import mapped, small_blocks

M = 50


def names(k):
    """Classes whose names look like numbers, and are not the numbers of the classes."""
    return np.array(["1", "2", "3", "7"])[k]


@pytest.fixture
def data(rng, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    k = rng.integers(0, 4, M)
    X = rng.normal(size=(M, N)).astype("float32")
    X[np.arange(M), k % N] += 3 + k
    return X, k


@pytest.fixture
def net(data):
    net = network("numpy")
    net.fit(data[0], names(data[1]), epochs=5, batch_size=8)
    assert net.class_names == ("1", "2", "3", "7")
    return net


FORMS = {
    "numbers": lambda y: y.astype("int64"),
    "floats in a column": lambda y: y.astype("float32")[:, None],
    "words": lambda y: y,
}


@pytest.mark.parametrize("form", FORMS)
def test_names_of_classes(form, data, net, tmp_path):
    X, y = data[0], FORMS[form](names(data[1]))
    expected = net.evaluate(X, names(data[1]))
    pieces = [(X[:20], y[:20]), (X[20:], y[20:])]
    assert net.evaluate(lambda: pieces) == pytest.approx(expected)
    assert net.evaluate(mapped(tmp_path, "X", X), mapped(tmp_path, "y", y)) == pytest.approx(expected)
    paths = [tmp_path / "X.npy"], [tmp_path / "y.npy"]
    assert net.evaluate(*paths) == pytest.approx(expected)
    net.fit(X, y, epochs=1, validation_data=paths)
    assert net.history.val_loss[-1] == pytest.approx(net.evaluate(X, y)["loss"])
    net.fit(lambda: pieces, epochs=1, validation_data=lambda: pieces)
    assert net.history.val_loss[-1] == pytest.approx(net.evaluate(X, y)["loss"])


def test_several_columns_are_no_names(data, net, tmp_path):
    X, y = data[0], np.eye(4)[data[1]]
    expected = net.evaluate(X, y)
    assert net.evaluate(lambda: [(X, y)]) == pytest.approx(expected)
    assert net.evaluate(mapped(tmp_path, "X", X), mapped(tmp_path, "y", y)) == pytest.approx(expected)


def test_classes_that_are_unknown(data, net, tmp_path):
    X, y = data[0], names(data[1]).astype("int64")
    y[33] = 4
    with pytest.raises(
        ValueError,
        match=r"^y of block 1, counted from row 20: row 13 .* one of the classes 1, 2, 3, 7, got '4'",
    ):
        net.evaluate(lambda: [(X[:20], y[:20]), (X[20:], y[20:])])
    with pytest.raises(ValueError, match=r"^y, counted from row 28: row 5 .* got '4'"):
        net.evaluate(mapped(tmp_path, "X", X), mapped(tmp_path, "y", y))
    y[:40] = 5
    with pytest.raises(ValueError, match=r"^y: row 0 .* got '5'"):
        net.evaluate(tmp_path / "X.npy", mapped(tmp_path, "y", y))
    # Nobody asks for the targets here.
    assert np.array_equal(net.predict(lambda: [(X, y)]), net.predict(lambda: [(X, data[1])]))


def test_values(rng):
    y = rng.normal(50.0, 9.0, size=M)
    target = Target("values").fit(y)
    rows = EncodedRows(ArraySlices("y", y), target)
    assert (rows.shape, rows.dtype) == ((M, 1), "float64")
    assert np.array_equal(rows.read(3, 9), target.encode(y)[3:9])
    rows = EncodedRows(ArraySlices("y", y > 50), Target("classes").fit(y > 50))
    assert (rows.shape, rows.dtype) == ((M,), "int64")


def test_words_in_several_files(data, tmp_path):
    """They are known together, as those in one file are."""
    X, y = data[0], names(data[1])
    paths = [tmp_path / f"y{k}.npy" for k in range(2)]
    for path, part in zip(paths, (y[:20], y[20:]), strict=True):
        np.save(path, part)
    one, two = network("numpy"), network("numpy")
    one.fit(mapped(tmp_path, "X", X), y, epochs=1)
    two.fit(tmp_path / "X.npy", paths, epochs=1)
    assert two.class_names == one.class_names
    assert one.history.loss == two.history.loss


def test_a_single_number(data, tmp_path):
    X, y = mapped(tmp_path, "X", data[0]), mapped(tmp_path, "y", np.array(3))
    for single in (np.array(3), tmp_path / "y.npy", y):
        with pytest.raises(
            ValueError, match=r"^y must have an entry for each of the examples, it is a single number$"
        ):
            network("numpy").fit(X, single)
    with pytest.raises(ValueError, match=r"^sample_weight must have an entry for each"):
        network("numpy").fit(X, data[1], sample_weight=np.array(3))
