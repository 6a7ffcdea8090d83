"""Memory-mapped files as sources of rows, and files that become shorter."""

import numpy as np
import pytest

import gpunet as gn
from block_rows import M, some_rows
from gpunet.inputs.blocks.mapped import MappedRows
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
