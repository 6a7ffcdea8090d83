"""Shuffling the rows of a file: a permutation of them, checked, whole or not at all."""

import os

import numpy as np
import pytest

import gpunet as gn
from gpunet.datasets import piles, shuffled_array
from gpunet.datasets.row_hash import rows_hash

M = 500


@pytest.fixture(autouse=True)
def many_piles(monkeypatch):
    monkeypatch.setattr(piles, "ROWS", 60)
    monkeypatch.setattr(shuffled_array, "ROWS", 60)
    monkeypatch.setattr(shuffled_array, "CHUNK_BYTES", 700)


@pytest.mark.parametrize("kind", ["uint8", "float32", ">f8", "<U5", "bool"])
@pytest.mark.parametrize("shape", [(M,), (M, 3), (M, 2, 5), (1, 4), (60, 1)])
def test_every_row_once_and_in_another_order(kind, shape, tmp_path, rng):
    X = rng.integers(0, 2 if kind == "bool" else 200, shape).astype(kind)
    np.save(tmp_path / "X.npy", X)
    done = gn.datasets.shuffle(tmp_path / "X.npy", tmp_path / "Y.npy")
    Y = np.load(tmp_path / "Y.npy")
    assert (Y.shape, Y.dtype) == (X.shape, X.dtype)
    rows, others = (sorted(map(str, A.reshape(len(A), -1).tolist())) for A in (X, Y))
    assert rows == others
    assert len(X) == 1 or not np.array_equal(X, Y)
    assert done.rows == len(X)
    assert done.hash == rows_hash(X) % 2**64 == rows_hash(Y) % 2**64
    assert sorted(os.listdir(tmp_path)) == ["X.npy", "Y.npy"]


def order(tmp_path, m=M, seed=0, ending="npy"):
    np.save(tmp_path / "in.npy", np.arange(m))
    gn.datasets.shuffle(tmp_path / "in.npy", tmp_path / "out.npy", seed=seed)
    return np.load(tmp_path / "out.npy")


def test_the_order_comes_from_the_seed_and_the_number_of_rows(tmp_path, rng, monkeypatch):
    one = order(tmp_path)
    assert np.array_equal(order(tmp_path), one)
    assert not np.array_equal(order(tmp_path, seed=1), one)
    monkeypatch.setattr(shuffled_array, "CHUNK_BYTES", 2000)
    wide = rng.normal(size=(M, 9))
    np.save(tmp_path / "wide.npy", np.asfortranarray(wide))
    gn.datasets.shuffle(str(tmp_path / "wide.npy"), str(tmp_path / "wide2.npy"))
    assert np.array_equal(np.load(tmp_path / "wide2.npy"), wide[one])


def test_the_order_is_uniformly_random(tmp_path):
    """Each row comes anywhere: places of the first row, and of its neighbour beside it."""
    places = np.array([np.argsort(order(tmp_path, 200, seed))[:2] for seed in range(120)])
    assert abs(places[:, 0].mean() - 99.5) < 3 * 57.7 / np.sqrt(120)
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.3
    assert places[:, 0].min() < 20
    assert places[:, 0].max() > 180


def test_a_file_may_be_shuffled_in_its_place(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(M))
    gn.datasets.shuffle(tmp_path / "X.npy", tmp_path / "X.npy")
    assert np.array_equal(np.load(tmp_path / "X.npy"), order(tmp_path))


@pytest.mark.parametrize("group", [7, 500])
def test_parquet(group, tmp_path, rng):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "number": np.arange(M),
            "word": [None if i % 7 == 0 else f"w{i % 5}" for i in range(M)],
            "x": rng.random(M),
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=group)
    done = gn.datasets.shuffle(tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.schema == table.schema
    assert found.sort_by("number").equals(table)
    assert np.array_equal(found["number"].to_numpy(), order(tmp_path))
    assert done.rows == M
    assert sorted(os.listdir(tmp_path)) == ["in.npy", "in.parquet", "out.npy", "out.parquet"]


def test_the_hash_sees_changes_and_not_the_order(rng):
    X = rng.integers(0, 9, (50, 3)).astype("uint8")
    assert rows_hash(X) == rows_hash(X[rng.permutation(50)])
    assert sum(map(rows_hash, np.split(X, [7, 30]))) % 2**64 == rows_hash(X)
    other = X.copy()
    other[3, 1] += 1
    swapped = X.copy()
    swapped[[3, 4], 1] = [11, 12]
    back = X.copy()
    back[[3, 4], 1] = [12, 11]
    found = [rows_hash(one) for one in (X, other, swapped, back, X[:49], X[:, ::-1], np.concatenate([X, X]))]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_a_row_that_changes_on_the_way_is_found(ending, tmp_path, monkeypatch):
    if ending == "npy":
        np.save(tmp_path / "in.npy", np.arange(M))
    else:
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pa.table({"number": np.arange(M)}), tmp_path / "in.parquet")
    (tmp_path / f"out.{ending}").write_bytes(b"old")
    monkeypatch.setattr(
        piles.Piles, "order", lambda self, pile, size: np.zeros(size, int)
    )  # the first row, again
    with pytest.raises(ValueError, match=r"differ .* nothing was kept"):
        gn.datasets.shuffle(tmp_path / f"in.{ending}", tmp_path / f"out.{ending}")
    assert (tmp_path / f"out.{ending}").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == [f"in.{ending}", f"out.{ending}"]


def test_what_can_not_be_shuffled(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(9))
    np.save(tmp_path / "none.npy", np.zeros((0, 3)))
    (tmp_path / "bad.npy").write_bytes(b"no array")
    out = tmp_path / "out.npy"
    for source, target, error, said in (
        ("X.npy", "out.parquet", ValueError, "both alike"),
        ("X.csv", "out.csv", ValueError, r"end in \.npy or \.parquet"),
        ("Z.npy", "out.npy", FileNotFoundError, "Z.npy is not a file"),
        ("bad.npy", "out.npy", ValueError, "cannot be read as arrays"),
        ("none.npy", "out.npy", ValueError, r"has no rows: its shape is \(0, 3\)"),
        ("X.npy", "folder/out.npy", FileNotFoundError, "there is no folder"),
    ):
        with pytest.raises(error, match=said):
            gn.datasets.shuffle(tmp_path / source, tmp_path / target)
    assert not out.exists()
    assert len(os.listdir(tmp_path)) == 3


def test_names_of_fields_and_types_that_can_not_be_shuffled(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "out.npy").write_bytes(b"as it was")
    with pytest.warns(UserWarning, match="format 3.0"):
        np.save(tmp_path / "X.npy", np.zeros(5, [("α", float)]))
    with pytest.raises(
        ValueError, match=r"X.npy has a field whose name does not fit into Latin-1, \('α',\): rename"
    ):
        gn.datasets.shuffle(tmp_path / "X.npy", tmp_path / "out.npy")
    assert (tmp_path / "out.npy").read_bytes() == b"as it was"
    for wide in (pa.decimal256(50, 2), pa.list_(pa.decimal256(50, 2))):
        table = pa.table({"b": [1, 2], "a": pa.array([None, None], wide)})
        parquet.write_table(table, tmp_path / "X.parquet")
        with pytest.raises(
            ValueError, match=r"the column 'a' has the type .*decimal256\(50, 2\).*, which Polars does"
        ):
            gn.datasets.shuffle(tmp_path / "X.parquet", tmp_path / "out.parquet")
    np.save(tmp_path / "X.npy", np.array([(k,) for k in range(5)], [("ä", float)]))
    gn.datasets.shuffle(tmp_path / "X.npy", tmp_path / "out.npy")
    assert sorted(np.load(tmp_path / "out.npy")["ä"]) == [0, 1, 2, 3, 4]


def test_a_source_that_shrinks(tmp_path, monkeypatch):
    np.save(tmp_path / "X.npy", np.zeros((M, 4)))
    sizes = piles.Piles.sizes

    def cut(self):
        with open(tmp_path / "X.npy", "r+b") as file:
            file.truncate(4000)
        return sizes(self)

    monkeypatch.setattr(piles.Piles, "sizes", cut)
    with pytest.raises(ValueError, match="has become shorter while it is read"):
        gn.datasets.shuffle(tmp_path / "X.npy", tmp_path / "out.npy")
    assert os.listdir(tmp_path) == ["X.npy"]


def test_wrong_types(tmp_path):
    np.save(tmp_path / "in.npy", np.arange(3))
    for source, out, seed, said in (
        (None, "out.npy", 0, "source must be a path"),
        (tmp_path / "in.npy", 3, 0, "out must be a path"),
        (tmp_path / "in.npy", tmp_path / "out.npy", None, "seed must be a whole number, got None"),
    ):
        with pytest.raises(TypeError, match=said):
            gn.datasets.shuffle(source, out, seed=seed)
    assert not (tmp_path / "out.npy").exists()
