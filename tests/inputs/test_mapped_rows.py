"""Memory-mapped files as sources of rows, and files that become shorter."""

import numpy as np
import pytest

import gpunet as gn
from block_rows import M, some_rows
from gpunet.inputs.blocks.mapped import LONGEST, MappedRows
from small_networks import N, network, same
from streams import mapped, small_blocks


@pytest.fixture
def data(rng):
    return some_rows(rng)


@pytest.mark.parametrize("kind", ["uint8", "float32", ">f8", "bool"])
@pytest.mark.parametrize("shape", [(M, 3), (M, 2, 3)])
@pytest.mark.parametrize("part", [slice(None), slice(7, 40), slice(None, None, 2)])
def test_rows_of_a_mapped_file(kind, shape, part, tmp_path, rng):
    X = rng.integers(0, 200, shape).astype(kind)
    rows = MappedRows("X", mapped(tmp_path, "X", X)[part])
    assert rows.shape == X[part].shape
    assert rows.dtype == X.dtype
    for first, last in ((0, 3), (5, 5), (10, len(rows))):
        found = rows.read(first, last)
        assert np.array_equal(found, X[part][first:last])
        assert found.dtype == X.dtype
        assert not isinstance(found, np.memmap)
        assert not np.may_share_memory(found, rows.array)
    assert (rows.position is None) == (part.step == 2)


def test_columns_of_a_mapped_file_and_one_in_fortran_order(tmp_path, rng):
    X = rng.normal(size=(M, 4))
    assert np.array_equal(MappedRows("X", mapped(tmp_path, "X", X)[:, 1:3]).read(3, 9), X[3:9, 1:3])
    assert np.array_equal(MappedRows("X", mapped(tmp_path, "F", np.asfortranarray(X))).read(3, 9), X[3:9])


def test_a_mapping_without_a_header_and_one_that_is_written_to(tmp_path, rng):
    X = rng.normal(size=(5000, 3))
    X.tofile(tmp_path / "X.bin")
    rows = np.memmap(tmp_path / "X.bin", dtype=X.dtype, mode="r", offset=24 * 1000, shape=(4000, 3))
    assert np.array_equal(MappedRows("X", rows).read(2, 3000), X[1002:4000])
    changed = np.memmap(tmp_path / "X.bin", dtype=X.dtype, mode="c", shape=(5000, 3))
    changed[4] = 1.0  # in memory alone
    assert np.array_equal(MappedRows("X", changed).read(4, 5), np.ones((1, 3)))
    written = np.memmap(tmp_path / "X.bin", dtype=X.dtype, mode="r+", shape=(5000, 3))
    written[4] = 2.0
    assert np.array_equal(MappedRows("X", written).read(4, 5), np.full((1, 3), 2.0))


@pytest.mark.parametrize("part", [slice(None), slice(None, None, 2)])
def test_a_file_that_has_become_shorter(part, data, tmp_path):
    """An error, and not the end of the process, which touching the mapping would be."""
    rows = MappedRows("X", mapped(tmp_path, "X", np.zeros((9000, N)))[part])
    with open(tmp_path / "X.npy", "r+b") as file:
        file.truncate(2000 * N * 8)
    m = len(rows)
    for first, last, found in ((m - 9, m, m - 9), (1990, 2000, 1994 if part.step is None else 1990)):
        said = (
            rf"X has become shorter while it is read: it had {m:,} rows, and ends now before row {found:,}\."
        )
        with pytest.raises(ValueError, match=said):
            rows.read(first, last)


def test_a_file_that_shrinks_in_training(data, tmp_path, monkeypatch):
    X, y = data
    small_blocks(monkeypatch, 7, 2, N)
    net, other = (network("numpy", standardizer=gn.Standardizer()) for _ in range(2))
    source = mapped(tmp_path, "X", X)
    other.fit(source, y, epochs=1, batch_size=5)

    def cut(network, history):
        with open(tmp_path / "X.npy", "r+b") as file:
            file.truncate(128 + 20 * N * 4)

    with pytest.raises(ValueError, match=f"X has become shorter while it is read: it had {M} rows"):
        net.fit(source, y, epochs=3, batch_size=5, callbacks=cut)
    assert same(net, other)
    assert net.epochs_trained == 1


def saved(path, rows):
    np.save(path, rows)
    return np.load(path, mmap_mode="r")


def numbered(dtype="float32"):
    return np.arange(400).reshape(100, 4).astype(dtype)


def replace(path, rows):
    """Another file in the place of one."""
    other = path.with_name("other.npy")
    np.save(other, rows)
    other.replace(path)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "U3"])
def test_the_rows_are_those_of_the_mapping_though_its_path_leads_elsewhere(tmp_path, dtype):
    path = tmp_path / "X.npy"
    mapping = saved(path, numbered(dtype))
    replace(path, numbered(dtype)[::-1])
    rows = MappedRows("X", mapping)
    np.testing.assert_array_equal(rows.read(3, 60), numbered(dtype)[3:60])
    np.testing.assert_array_equal(rows.take(np.array([1, 98])), numbered(dtype)[[1, 98]])


def test_a_file_that_is_replaced_later_is_not_read(tmp_path):
    path = tmp_path / "X.npy"
    rows = MappedRows("X", saved(path, numbered()))
    np.testing.assert_array_equal(rows.read(0, 5), numbered()[:5])
    replace(path, np.zeros((3, 2), "uint8"))
    np.testing.assert_array_equal(rows.read(3, 60), numbered()[3:60])
    room = np.empty((50, 4), "float32")
    assert rows.read_into(room, 50, 100) is room
    np.testing.assert_array_equal(room, numbered()[50:])


@pytest.mark.parametrize("early", [False, True])
def test_a_file_without_a_name_is_read_by_its_mapping(tmp_path, early):
    path = tmp_path / "X.npy"
    mapping = saved(path, numbered())
    if early:
        path.unlink()
    rows, columns = MappedRows("X", mapping), MappedRows("X", mapping[:, 1:3])
    if not early:
        path.unlink()
    np.testing.assert_array_equal(rows.read(3, 60), numbered()[3:60])
    np.testing.assert_array_equal(columns.read(3, 60), numbered()[3:60, 1:3])


def test_while_the_path_leads_to_it_the_file_is_read(tmp_path, monkeypatch):
    rows = MappedRows("X", saved(tmp_path / "X.npy", numbered()))
    monkeypatch.setattr(rows, "array", None)
    np.testing.assert_array_equal(rows.read(3, 60), numbered()[3:60])


@pytest.mark.parametrize("row", [0, -1])
def test_one_other_row_at_either_end_is_seen(tmp_path, row):
    path = tmp_path / "X.npy"
    mapping = saved(path, numbered())
    other = numbered()
    other[row] = -1
    replace(path, other)
    np.testing.assert_array_equal(MappedRows("X", mapping).read(0, 100), numbered())


def test_long_rows_are_read_from_the_file(tmp_path, monkeypatch):
    long = np.arange(3 * (LONGEST + 8), dtype="uint8").reshape(3, -1)
    rows = MappedRows("X", saved(tmp_path / "X.npy", long))
    monkeypatch.setattr(rows, "array", None)
    np.testing.assert_array_equal(rows.read(0, 3), long)


def test_a_file_that_was_shorter_before_is_not_touched(tmp_path):
    mapping = saved(tmp_path / "X.npy", np.zeros((9000, N)))
    with open(tmp_path / "X.npy", "r+b") as file:
        file.truncate(2000 * N * 8)
    rows = MappedRows("X", mapping)
    with pytest.raises(ValueError, match="X has become shorter while it is read: it had 9,000 rows"):
        rows.read(5000, 6000)
