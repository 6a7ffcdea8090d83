"""Parquet files, Arrow datasets and Polars' lazy frames, read block by block."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.datasets.parquet_rows import load_parquet, rows_of_parquet, why_whole
from gpunet.inputs.blocks.batches import TableBlocks
from gpunet.inputs.blocks.blocks import blocks_of
from gpunet.inputs.blocks.opened import opened
from gpunet.inputs.blocks.parquet import parquet_rows
from gpunet.inputs.blocks.part import PartOfRows
from gpunet.inputs.blocks.table_columns import features_and_more
from small_networks import K, close, network, same
from streams import small_blocks

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

M, N = 50, 3
NAMES = ["a", "b", "c"]


@pytest.fixture
def table(rng):
    y = rng.integers(0, K, M)
    return pa.table(
        {
            "a": rng.normal(size=M).astype("float32"),
            "species": np.array(["ant", "bee", "cat", "dog"])[y],
            "b": rng.integers(0, 9, M),
            "number": y,
            "c": rng.random(M) < 0.5,
            "weight": np.linspace(1, 2, M),
        }
    )


@pytest.fixture
def written(table, tmp_path):
    """``written(name, columns, first, last)``: the path of a file of some columns and rows."""

    def write(name, columns, first=0, last=M, group=6):
        path = tmp_path / f"{name}.parquet"
        parquet.write_table(table.select(columns).slice(first, last - first), path, row_group_size=group)
        return path

    return write


def rows_of(table, names=NAMES):
    return np.stack([np.asarray(table[name]).astype("float32") for name in names], axis=1)


@pytest.mark.parametrize("group", [1, 6, 20, 100])
def test_blocks_are_row_groups(group, table, written, monkeypatch):
    small_blocks(monkeypatch, 14, 2, N)
    path = written("all", [*NAMES, "number"], group=group)
    blocks, y, weights = opened(path, "number", None, "float32")
    edges = {1: [*range(0, M, 14), M], 6: [0, 12, 24, 36, M], 20: [0, 20, 40, M], 100: [0, M]}
    assert blocks.edges.tolist() == edges[group]
    assert weights is None
    found = list(blocks.beside(y, None).all())
    assert np.array_equal(np.concatenate([block.X for block in found]), rows_of(table))
    assert np.array_equal(np.concatenate([block.y for block in found]), table["number"].to_numpy())
    for first, last in ((0, 1), (5, 31), (M - 1, M)):
        assert np.array_equal(blocks.X.read(first, last), rows_of(table)[first:last])


@pytest.mark.parametrize("files", [1, 2])
def test_row_groups_without_wanted_rows_are_not_decoded(files, table, written, monkeypatch):
    small_blocks(monkeypatch, 14, 2, N)
    monkeypatch.setattr("gpunet.inputs.blocks.sliced.NEAR", 0)
    whole = written("all", [*NAMES, "number"])
    paths = [whole] if files == 1 else [written("one", NAMES, 0, 24), written("two", NAMES, 24)]
    rows, decoded = parquet_rows("X", paths, NAMES), []
    read = parquet.ParquetFile.read_row_groups

    def recorded(file, groups, **more):
        decoded.extend(groups)
        return read(file, groups, **more)

    monkeypatch.setattr(parquet.ParquetFile, "read_row_groups", recorded)
    chosen = np.array([1, 5, 7, 37, 38])
    assert np.array_equal(rows.take(chosen), rows_of(table)[chosen])
    assert decoded == [0, 1, 6 if files == 1 else 2]


@pytest.mark.parametrize("target", ["number", "species"])
@pytest.mark.parametrize("cut", [None, 20])
def test_the_run_is_that_of_the_arrays(target, cut, table, written, monkeypatch):
    columns = [*NAMES, target, "weight"]
    path = written("all", columns)
    if cut is not None:
        path = [written("one", columns, 0, cut), str(written("two", columns, cut))]
    nets = [network("numpy") for _ in range(3)]
    options = {"epochs": 2, "batch_size": 8, "shuffle": False}
    X, y, weights = rows_of(table), np.asarray(table[target]), np.asarray(table["weight"])
    nets[0].fit(X, y, sample_weight=weights, **options)
    nets[1].fit(path, target, sample_weight="weight", **options)  # it fits into memory
    small_blocks(monkeypatch, 7, 2, N)
    nets[2].fit(path, target, sample_weight="weight", **options)
    assert same(nets[0], nets[1])
    close(nets[0], nets[2], rtol=1e-6)
    assert nets[2].class_names == nets[1].class_names == nets[0].class_names
    assert nets[2].columns == nets[1].columns == tuple(NAMES)
    figures = nets[0].evaluate(X, y, weights)
    assert nets[2].evaluate(path, target, "weight")["loss"] == pytest.approx(figures["loss"], rel=1e-5)


def test_columns_are_matched_by_name(table, written, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    net = network("numpy")
    net.fit(written("all", [*NAMES, "number"]), "number", epochs=1)
    expected = net.predict(rows_of(table))
    assert np.array_equal(net.predict(written("other", ["c", "a", "b"])), expected)
    with pytest.warns(gn.ColumnsIgnored, match="species"):
        assert np.array_equal(net.predict(written("more", ["c", "species", "a", "b"])), expected)
    with pytest.raises(ValueError, match="lacks the columns 'b'"):
        net.predict(written("fewer", ["a", "c"]))


def test_parts_of_files_keep_their_columns(table, written, monkeypatch):
    small_blocks(monkeypatch, 14, 2, N)
    paths = [written("one", NAMES, 0, 20), written("two", NAMES, 20)]
    whole = parquet_rows("X", paths, NAMES)
    for rows in (whole, parquet_rows("X", paths[:1], NAMES)):
        part = PartOfRows(rows, 3, 17)
        assert part.column_names == tuple(NAMES)
        some = part.select(["c", "a"])
        assert some.column_names == ("c", "a")
        assert np.array_equal(some.read(0, 14), rows_of(table, ["c", "a"])[3:17])
        assert part.edges(6).tolist() == [0, 3, 9, 14]
    assert whole.select(["b"]).shape == (M, 1)
    blocks = blocks_of(PartOfRows(whole, 3, 30))
    assert blocks.column_names == NAMES
    assert blocks.select(["b", "a"]).column_names == ["b", "a"]


def test_an_encoder_reads_the_whole_table(table, written, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    one, two = (
        gn.Network([gn.Dense(K, "softmax")], seed=0, backend="numpy", encoder=gn.TableEncoder())
        for _ in range(2)
    )
    one.fit(written("all", [*NAMES, "species"]), "species", epochs=1)
    two.fit(table.select(NAMES), np.asarray(table["species"]), epochs=1)
    assert same(one, two)
    assert np.array_equal(one.predict(written("inputs", NAMES)), two.predict(table.select(NAMES)))


def test_predictions_of_a_large_file_read_no_whole_table(table, written, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    net = network("numpy")
    net.fit(rows_of(table), table["number"].to_numpy(), epochs=1)
    expected, path = net.predict(rows_of(table)), written("inputs", NAMES)
    monkeypatch.setattr("pyarrow.concat_tables", None)
    np.testing.assert_allclose(net.predict(path), expected, rtol=1e-5)


def lazily(kind, path):
    if kind == "polars":
        return pytest.importorskip("polars").scan_parquet(path)
    return pytest.importorskip("pyarrow.dataset").dataset(path)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_lazy_tables(kind, table, written, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    source = lazily(kind, written("all", [*NAMES, "number", "weight"]))
    one, two = network("numpy"), network("numpy")
    one.fit(
        source,
        "number",
        sample_weight="weight",
        epochs=2,
        batch_size=8,
        validation_data=(source, "number", "weight"),
    )
    X, y, weights = rows_of(table), table["number"].to_numpy(), table["weight"].to_numpy()
    two.fit(lambda: [(X, y, weights)], epochs=2, batch_size=8, validation_data=lambda: [(X, y, weights)])
    assert same(one, two)
    assert one.history.val_loss == two.history.val_loss
    with pytest.raises(ValueError, match="X has no column 'animal' for y: it has a, b, c, number, weight"):
        one.fit(source, "animal")
    with pytest.raises(TypeError, match="y must be the name of a column of X, got ndarray"):
        one.fit(source, y)
    with pytest.raises(ValueError, match=r"^X has no column 'w' for sample_weight: it has a, b, c, number, "):
        one.fit(source, "number", sample_weight="w")


@pytest.mark.parametrize(("count", "end"), [(20, "c18, c19$"), (21, "c18, c19, …$"), (22, "c18, c19, …$")])
def test_many_columns_in_a_message(count, end):
    with pytest.raises(ValueError, match=rf"^X has no column 'y' for y: it has c0, c1, .*{end}"):
        features_and_more("X", [f"c{k}" for k in range(count)], "y", None)


def test_what_is_said_about_bad_files(table, written, tmp_path, monkeypatch):
    net = network("numpy")
    path = written("all", [*NAMES, "number"])
    for case in ("whole", "in blocks"):
        if case == "in blocks":
            small_blocks(monkeypatch, 7, 2, N)
        with pytest.raises(ValueError, match="X has no column 'animal' for y: it has a, b, c, number"):
            net.fit(path, "animal")
        with pytest.raises(TypeError, match="y must be the name of a column of X, got list"):
            net.fit(path, [1, 2])
        with pytest.raises(
            ValueError, match=r"other.parquet must have the columns of .*all.parquet: a, b, c, number"
        ):
            net.fit([path, written("other", ["a", "b", "number"])], "number")
        with pytest.raises(FileNotFoundError, match=r"none.parquet is not a file"):
            net.fit(tmp_path / "none.parquet", "number")
        (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
        with pytest.raises(ValueError, match=r"bad.parquet can't be read as Parquet"):
            net.fit(tmp_path / "bad.parquet", "number")
    with pytest.raises(
        TypeError, match=r"column 'species' of .* holds string, and what is read block by block"
    ):
        net.fit(written("words", ["a", "species", "b", "number"]), "number")
    holes = table.select([*NAMES, "number"]).set_column(1, "b", [[*range(40), None, *range(41, M)]])
    parquet.write_table(holes, tmp_path / "holes.parquet", row_group_size=6)
    with pytest.raises(ValueError, match=r"^X holds NaN, .* first in row 40"):
        net.fit(tmp_path / "holes.parquet", "number")
    assert net.history is None


def test_a_folder_of_files(tmp_path):
    (tmp_path / "all.parquet").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"is a folder: give the files in it .* pyarrow\.dataset\.dataset\('"
    ):
        network("numpy").fit(tmp_path / "all.parquet", "number")


def test_lazy_tables_without_features_or_without_targets():
    polars = pytest.importorskip("polars")
    rows = polars.LazyFrame({"a": [1.0, 2.0], "number": [0, 1]})
    with pytest.raises(ValueError, match=r"^X has no column of features: it has number alone$"):
        network("numpy").fit(rows.select("number"), "number")
    for call in (network("numpy").fit, network("numpy").predict):
        with pytest.raises(
            TypeError, match=r"^y must be the name of a column of X, got None: .* frame\.collect\(\)"
        ):
            call(rows)


@pytest.mark.parametrize("size", ["small", "large"])
def test_row_labels_that_pandas_stores_are_no_features(size, rng, tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    dataset = pytest.importorskip("pyarrow.dataset")
    if size == "large":
        small_blocks(monkeypatch, 7, 2, N)
    frame = pandas.DataFrame(rng.normal(size=(M, 2)), columns=["a", "b"]).assign(y=rng.integers(0, K, M))
    path, whole = tmp_path / "some.parquet", tmp_path / "whole.parquet"
    frame[frame["a"] > -1].to_parquet(path)
    frame.to_parquet(whole)
    assert "__index_level_0__" in parquet.read_schema(path).names
    for X in (path, [whole, path], dataset.dataset(path)):
        net = network("numpy", inputs=2)
        net.fit(X, "y", epochs=1)
        assert net.columns == ("a", "b")
    with pytest.raises(ValueError, match="X has no column '__index_level_0__' for y: it has a, b, y"):
        net.fit(path, "__index_level_0__")
    encoded = gn.Network([gn.Dense(K, "softmax")], seed=0, backend="numpy", encoder=gn.TableEncoder())
    encoded.fit(path, "y", epochs=1)
    assert list(encoded.encoder.columns) == ["a", "b"]
    assert why_whole(str(path), "y") is None
    found, _ = load_parquet(str(path), "y")
    assert found.X.column_names == rows_of_parquet(str(path), ["a", "b"]).column_names == ("a", "b")


@pytest.mark.parametrize("size", ["small", "large"])
def test_numbers_of_several_types_in_several_files(size, tmp_path, monkeypatch):
    if size == "large":
        small_blocks(monkeypatch, 7, 2, N)
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    parquet.write_table(pa.table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "y": [0, 1, 2]}), paths[0])
    parquet.write_table(pa.table({"b": [4, 5], "a": [0.25, 0.75], "y": [1.0, 3.0]}), paths[1])
    X = np.array([[1, 0.5], [2, 1.5], [3, 2.5], [0.25, 4], [0.75, 5]])
    one, two = (network("numpy", inputs=2) for _ in range(2))
    one.fit(paths, "y", epochs=1, shuffle=False)
    two.fit(X, np.array([0, 1, 2, 1, 3]), epochs=1, shuffle=False)
    close(one, two, rtol=1e-6)


def test_words_beside_numbers_in_another_file(tmp_path):
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    parquet.write_table(pa.table({"a": [1, 2], "y": [0, 1]}), paths[0])
    parquet.write_table(pa.table({"a": ["ant", "bee"], "y": [0, 1]}), paths[1])
    with pytest.raises(TypeError, match=r"^X: a column must have one type in all files, or numbers in all"):
        network("numpy").fit(paths, "y")


@pytest.mark.parametrize("missing", [None, float("nan")])
@pytest.mark.parametrize("kind", ["a file", "two files", "polars", "pyarrow"])
def test_missing_targets(kind, missing, table, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    y = [float(k) for k in table["number"].to_pylist()]
    y[33] = y[40] = missing
    rows = table.select(NAMES).append_column("y", pa.array(y))
    path = tmp_path / "all.parquet"
    parquet.write_table(rows, path, row_group_size=6)
    X, name, row = path, "y", 33
    if kind == "two files":
        parquet.write_table(rows.slice(0, 20), path)
        parquet.write_table(rows.slice(20), tmp_path / "more.parquet")
        X, name, row = [path, tmp_path / "more.parquet"], r".*more\.parquet", 13
    elif kind != "a file":
        X, name = lazily(kind, path), "X"
    said = rf"^{name}: the 'y' of row {row} is missing, and rows .* can't be left out: remove such rows$"
    with pytest.raises(ValueError, match=said):
        network("numpy").fit(X, "y")


def test_missing_booleans(table, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 7, 2, N)
    path = tmp_path / "all.parquet"
    c = [*table["c"].to_pylist()[:40], None, *table["c"].to_pylist()[41:]]
    parquet.write_table(table.select(["a", "b", "number"]).append_column("c", pa.array(c)), path)
    with pytest.raises(ValueError, match=r"^X holds NaN, .* first in row 40"):
        network("numpy").fit(path, "number")
    y = table.select(NAMES).append_column("y", pa.array([True, None] * (M // 2)))
    parquet.write_table(y, path)
    for X in (path, lazily("polars", path), lazily("pyarrow", path)):
        with pytest.raises(ValueError, match="the 'y' of row 1 is missing"):
            network("numpy").fit(X, "y")


@pytest.mark.parametrize("size", ["small", "large"])
def test_columns_that_share_a_name(size, tmp_path, monkeypatch):
    if size == "large":
        small_blocks(monkeypatch, 7, 2, N)
    path = tmp_path / "twice.parquet"
    parquet.write_table(pa.table([[1.0], [2.0], [0]], names=["a", "a", "y"]), path)
    with pytest.raises(ValueError, match=r"^X: expected columns of different names, 2 are called 'a'"):
        network("numpy").fit(path, "y")


def test_lists_in_a_column(tmp_path):
    path = tmp_path / "lists.parquet"
    for lists in ([[1, 2], [3, 4]], [[1], [2]], [[1], [2, 3]]):
        for more in ({}, {"a": [1.0, 2.0]}):
            parquet.write_table(pa.table({**more, "e": lists, "y": [0, 1]}), path)
            with pytest.raises(TypeError, match=r"^X must hold real numbers"):
                network("numpy", inputs=None).fit(path, "y")


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_an_encoder_reads_the_whole_of_a_lazy_table(kind, table, written):
    source = lazily(kind, written("all", [*NAMES, "species", "weight"]))
    one, two = (
        gn.Network([gn.Dense(K, "softmax")], seed=0, backend="numpy", encoder=gn.TableEncoder())
        for _ in range(2)
    )
    one.fit(source, "species", sample_weight="weight", epochs=1)
    two.fit(table.select(NAMES), np.asarray(table["species"]), sample_weight=table["weight"], epochs=1)
    assert same(one, two)
    expected = two.evaluate(table.select(NAMES), np.asarray(table["species"]))
    assert one.evaluate(lazily(kind, written("some", [*NAMES, "species"])), "species") == expected
    inputs = lazily(kind, written("inputs", NAMES))
    assert np.array_equal(one.predict(inputs), two.predict(table.select(NAMES)))
    with pytest.raises(ValueError, match="X has no column 'animal' for y: it has a, b, c"):
        one.fit(source, "animal")


def test_datasets_are_not_read_ahead(table, written):
    """Of Parquet files, PyArrow would read many row groups, and keep them."""
    dataset = pytest.importorskip("pyarrow.dataset")
    given = []

    class Recorded:
        def __init__(self, source):
            self.source = source

        def __getattr__(self, name):
            return getattr(self.source, name)

        def to_batches(self, **options):
            given.append(options)
            return self.source.to_batches(**options)

    files = dataset.dataset(written("all", [*NAMES, "species", "number"]))
    for source in (files, dataset.dataset(table)):
        blocks = TableBlocks("X", Recorded(source), "number", None).select(["c", "a"])
        found = list(blocks.all())
        assert np.array_equal(found[0].X, rows_of(table, ["c", "a"]))
    one, two = given
    assert one["columns"] == two["columns"] == ["c", "a", "number"]
    assert all(options["batch_readahead"] == options["fragment_readahead"] == 0 for options in given)
    assert not one["fragment_scan_options"].pre_buffer
    assert "fragment_scan_options" not in two
