"""Files that are given by name or opened: several as one, h5py, images, and what fits into memory."""

import re
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
from block_rows import M, all_rows, some_rows
from gpunet.inputs.arrays import from_lists
from gpunet.inputs.blocks.blocks import SlicedBlocks
from gpunet.inputs.blocks.joined import JoinedRows
from gpunet.inputs.blocks.opened import opened
from gpunet.inputs.blocks.sliced import ArraySlices
from small_networks import N, host, network, same
from streams import mapped, small_blocks


@pytest.fixture
def data(rng):
    return some_rows(rng)


@pytest.mark.parametrize("cuts", [(20,), (1, 20, 49), (0, 25)])
def test_several_files_are_one(cuts, data, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    X, y = data
    paths = []
    for name, array in (("X", X), ("y", y)):
        parts = np.split(array, cuts)
        paths.append([tmp_path / f"{name}{i}.npy" for i in range(len(parts))])
        for path, part in zip(paths[-1], parts, strict=True):
            np.save(path, part)
    blocks, targets, _ = opened(*paths, None, "float32")
    found = all_rows(blocks.beside(targets, None))
    assert np.array_equal(found[0], X)
    assert np.array_equal(found[1], y)
    edges = blocks.edges.tolist()
    assert set(cuts) < {*edges}
    assert edges == sorted({*edges})
    rows = JoinedRows("X", [ArraySlices("X", part) for part in np.split(X, cuts)])
    assert np.array_equal(rows.read(0, M), X)
    assert np.array_equal(rows.read(3, 31), X[3:31])
    network("numpy").fit(*paths, epochs=1)
    monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", 2**20)
    one, two = network("numpy"), network("numpy")
    one.fit(*paths, epochs=1)
    two.fit(X, y, epochs=1)
    assert same(one, two)


def test_files_of_different_widths(tmp_path):
    for name, n in (("a", 3), ("b", 4)):
        np.save(tmp_path / f"{name}.npy", np.zeros((5, n)))
    with pytest.raises(
        ValueError, match=r"X: all files must have rows of one shape; those of .*a.npy have \(3,\)"
    ):
        network("numpy").fit([tmp_path / "a.npy", tmp_path / "b.npy"], np.zeros(10), epochs=1)


def test_h5py(data, tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    X, y = data
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(6, N), compression="gzip")
        file.create_dataset("y", data=y)
        in_memory, by_blocks, array = network("numpy"), network("numpy"), network("numpy")
        in_memory.fit(file["X"], file["y"], epochs=2, batch_size=5, shuffle=False)
        small_blocks(monkeypatch, 14, 2, N)
        assert opened(file["X"], None, None, "float32")[0].edges.tolist() == [0, 12, 24, 36, 48, 50]
        by_blocks.fit(file["X"], file["y"], epochs=2, batch_size=5, shuffle=False)
        predicted = by_blocks.predict(file["X"])
    array.fit(X, y, epochs=2, batch_size=5, shuffle=False)
    assert same(in_memory, array)
    assert same(by_blocks, array)
    np.testing.assert_allclose(predicted, array.predict(X), rtol=1e-5)


class Chunked:
    """An array that is stored in chunks; some libraries give masked slices."""

    def __init__(self, array, chunks=None):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        return self.array[rows]


@pytest.mark.parametrize(
    ("height", "edges"),
    [
        (1, [0, 2, 4, 6]),
        (3, [0, 3, 6]),
        (64, [0, 64, 128]),
        (65, [0, 32, 65, 97]),
        (100, [0, 50, 100]),
        (1000, [0, 62, 125]),
    ],
)
def test_high_chunks_are_cut(height, edges):
    """A block has 32 times as many rows as asked for at most: all that are held at a time take as much."""
    rows = ArraySlices("X", Chunked(np.zeros((1000, 4)), (height, 1)))
    found = rows.edges(2)
    assert found[: len(edges)].tolist() == edges
    assert found[-1] == 1000
    assert 0 < np.diff(found).min() <= np.diff(found).max() <= 64
    assert np.diff(ArraySlices("X", Chunked(np.zeros((750, 4)), (height, 1))).edges(2)).min() > 0
    assert {*range(0, 1000, height)} <= {*found.tolist()} or height == 1


@pytest.mark.parametrize("size", ["small", "large"])
def test_masked_entries(size, data, tmp_path, monkeypatch):
    """What stands behind a mask is no number of the data."""
    X, y = data
    if size == "large":
        small_blocks(monkeypatch, 7, 2, N)
    mask = np.zeros((M, N), bool)
    whole = np.ma.masked_array(X, mask.copy())
    one, two = network("numpy"), network("numpy")
    one.fit(Chunked(whole), Chunked(np.ma.masked_array(y, mask[:, 0])), epochs=1, shuffle=False)
    two.fit(X, y, epochs=1, shuffle=False)
    assert same(one, two)
    mask[40, 1] = True
    masked, targets = np.ma.masked_array(X, mask), np.ma.masked_array(y, mask[:, 1])
    for given in ((Chunked(masked), y), (lambda: [(X[:30], y[:30]), (masked[30:], y[30:])],)):
        with pytest.raises(ValueError, match=r"^X.* has masked entries: fill them, or remove their rows$"):
            one.fit(*given, epochs=1)
    with pytest.raises(ValueError, match=r"^y has masked entries"):
        one.fit(Chunked(whole), Chunked(targets), epochs=1)
    assert same(one, two)


def test_arrays_that_are_masked_when_they_are_asked_for():
    class Masked:
        def __array__(self, dtype=None, copy=None):
            return np.ma.masked_array([1.0, 2.0], [False, True])

    with pytest.raises(ValueError, match=r"^X has masked entries"):
        from_lists("X", Masked())


def test_what_fits_into_memory_is_an_array(data, tmp_path, monkeypatch):
    """The limit is that of X in the network's dtype."""
    X, y = data
    source = mapped(tmp_path, "X", X.astype("uint8"))
    for dtype, size in (("float32", 4), ("float64", 8)):
        monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", M * N * size)
        assert opened(source, y, None, dtype)[0] is source
        monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", M * N * size - 1)
        assert isinstance(opened(source, y, None, dtype)[0], SlicedBlocks)
    assert opened(X, y, None, "float32")[0] is X  # already there
    assert isinstance(opened(str(tmp_path / "X.npy"), y, None, "float64")[0], SlicedBlocks)


def test_columns_without_names(data):
    with pytest.raises(NotImplementedError, match="X has columns without names"):
        ArraySlices("X", data[0]).select(["a"])


def test_files_that_are_not_there_or_damaged(data, tmp_path):
    (tmp_path / "X.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'X.npy'}: cannot be read as an array")):
        network("numpy").fit(tmp_path / "X.npy", data[1])
    with pytest.raises(FileNotFoundError):
        network("numpy").fit(str(tmp_path / "none.npy"), data[1])


def test_images_in_a_file(data, tmp_path, monkeypatch, rng):
    small_blocks(monkeypatch, 7, 2, 4)
    X = rng.normal(size=(M, 2, 2)).astype("float32")
    shapes = []

    def look(X, rng):
        shapes.append(X.shape)
        return X

    one, two = (network("numpy", inputs=4) for _ in range(2))
    one.fit(mapped(tmp_path, "X", X), data[1], epochs=1, batch_size=10, shuffle=False, transform=look)
    two.fit(X.reshape(M, 4), data[1], epochs=1, batch_size=10, shuffle=False)
    assert same(one, two)
    assert shapes == [(10, 2, 2)] * 5


@pytest.mark.parametrize("call", ["fit", "evaluate"])
@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        ("flowers.csv", "species", r"X is the str 'flowers\.csv', neither an array"),
        (Path("flowers.csv"), [0, 1], r"X is the \w*Path 'flowers\.csv', neither an array"),
        (np.eye(2, 3), "species", r"y is the str 'species', neither .* gpunet\.datasets\.read_table"),
    ],
)
def test_texts_that_are_no_files_of_arrays(call, X, y, said):
    net = network("numpy")
    before = host(net)
    with pytest.raises(TypeError, match=said):
        getattr(net, call)(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(host(net), before, strict=True))


def test_predictions_of_a_text():
    with pytest.raises(TypeError, match=r"X is the str 'flowers\.csv', neither an array"):
        network("numpy").predict("flowers.csv")


def test_a_folder_is_no_file(data, tmp_path):
    (tmp_path / "X.npy").mkdir()
    with pytest.raises(FileNotFoundError, match=r"X\.npy is not a file; check the path \(now in "):
        network("numpy").fit(tmp_path / "X.npy", data[1])


@pytest.mark.parametrize("more", [{}, {"y": np.zeros(3)}])
def test_a_data_set_is_not_its_training_part(more):
    digits = gn.datasets.Dataset(np.ones((4, 3)), np.zeros(4), np.ones((2, 3)), np.zeros(2), "digits")
    with pytest.raises(
        TypeError,
        match=r"^X is a Dataset of training and test examples: give its arrays, fit\(data\.X, data\.y\)",
    ):
        network("numpy").fit(digits, **more)


def test_an_archive_is_none_of_its_arrays(data, tmp_path):
    np.savez(tmp_path / "data.npz", rows=data[0], y=data[1])
    said = r"got NpzFile: give one of its arrays, such as X\['rows'\]$"
    with np.load(tmp_path / "data.npz") as archive, pytest.raises(TypeError, match=said):
        network("numpy").fit(archive, archive["y"])
    with pytest.raises(TypeError, match=r"^X must be an array or a list of rows, got dict$"):
        network("numpy").fit({"a": [1.0]}, data[1])


def test_files_without_rows(tmp_path):
    """Alone or several: an error about X, as for an array without rows."""
    np.save(tmp_path / "none.npy", np.empty((0, N), "float32"))
    np.save(tmp_path / "number.npy", np.float32(3))
    none, number = tmp_path / "none.npy", tmp_path / "number.npy"
    for X in (none, [none], [none, none]):
        with pytest.raises(ValueError, match=r"X is empty: its shape is \(0, 3\)"):
            network("numpy").predict(X)
    with pytest.raises(ValueError, match=r"X must be rows of examples, .* got shape \(\)"):
        network("numpy").predict(number)
    for X in ([number], [none, number], [number, none]):
        with pytest.raises(ValueError, match=r"X: .*number.npy holds a single number, and no rows"):
            network("numpy").predict(X)


def test_files_of_several_kinds(data, tmp_path):
    for names in (["X.npy", "a.parquet"], [tmp_path / "a.parquet", "more.csv"]):
        with pytest.raises(
            ValueError, match=r"^X names files of several kinds, \.\w+, \.\w+: all must be \.npy, or all"
        ):
            network("numpy").fit(names, data[1])


def test_texts_of_several_endings(data):
    with pytest.raises(TypeError, match="X must hold real numbers, it holds text"):
        network("numpy").fit(["a.csv", "b.txt"], data[1][:2])


class Group:
    """Arrays by their names, as a group of zarr has them."""

    def __init__(self, **arrays):
        self.arrays = arrays

    def __iter__(self):
        return iter(self.arrays)

    def keys(self):
        return self.arrays.keys()


def test_a_group_is_no_array(data):
    for group, first in ((Group(rows=data[0], y=data[1]), "rows"), (Group(), "name")):
        for more in ((data[1],), ()):
            with pytest.raises(
                TypeError, match=rf"^X is a Group of arrays: give one of them, such as X\['{first}'\]$"
            ):
                network("numpy").fit(group, *more)


def test_what_h5py_holds(data, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["X"], file["none"] = data[0], h5py.Empty("f")
        for X, y, name in (
            (file["none"], data[1], "X"),
            (data[0], file["none"], "y"),
            (h5py.Empty("f"), data[1], "X"),
        ):
            with pytest.raises(ValueError, match=rf"^{name} is empty: it has no shape$"):
                network("numpy").fit(X, y)
        for group in (file, file.create_group("group")):
            with pytest.raises(TypeError, match=r"^X must be an array or a list of rows, got"):
                network("numpy").fit(group, data[1])
