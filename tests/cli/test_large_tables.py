"""The commands on Parquet files that are larger than they may be in memory, however small they are here."""

import csv
import io

import numpy as np
import pytest

import gpunet as gn
from streams import small_blocks

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

M = 400
SETTINGS = ("--hidden", 8, "--epochs", 30, "--batch-size", 16, "--backend", "numpy")


def metrics(out):
    return dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)


def columns_of(rng, m=M):
    y = rng.integers(0, 3, m)
    X = rng.normal(size=(m, 3)) + 3 * np.eye(3)[y]
    return {
        "height": X[:, 0],
        "width": X[:, 1].astype("float32"),
        "depth": (10 * X[:, 2]).astype("int16"),
        "wild": X[:, 0] > 1,
        "kind": np.array(["ant", "bee", "cat"])[y],
        "price": 1000 + 500 * X[:, 0],
    }


@pytest.fixture
def columns(rng):
    return columns_of(rng)


@pytest.fixture
def written(columns, tmp_path):
    """``written(name, *names, **changed)``: the path of a Parquet file of these columns."""

    def write(name, *names, group=30, **changed):
        path = tmp_path / f"{name}.parquet"
        table = pa.table({column: {**columns, **changed}[column] for column in names})
        parquet.write_table(table, path, row_group_size=group)
        return path

    return write


@pytest.fixture
def large(monkeypatch):
    """From here on every table is large."""
    small_blocks(monkeypatch, 30, 4, 4)
    monkeypatch.setattr("gpunet.datasets.parquet_rows.host_memory", lambda: 8.0)


@pytest.fixture
def never_whole(monkeypatch):
    """Whoever reads a whole table fails."""
    monkeypatch.setattr("gpunet.datasets.read_table", None)


NUMBERS = ("height", "width", "depth", "wild")


def test_classes(good, written, large, never_whole, columns, tmp_path):
    path, net = written("data", "kind", *NUMBERS), tmp_path / "net"
    out = good("train", path, "--target", "kind", *SETTINGS, "--save", net)
    assert "data: 320 training examples, 80 test examples" in out
    assert "4 features; 3 classes: ant, bee, cat" in out
    said = " ".join(out.split())
    assert "read block by block, because it is large; its last rows are the test set" in said
    assert f"gpunet shuffle {path} OUT" in said
    assert float(metrics(out)["test accuracy"]) > 0.9
    loaded = gn.load(net)
    assert loaded.encoder is None
    assert loaded.columns == NUMBERS
    # The same test set again, and all examples.
    evaluated = good("evaluate", net, path)
    assert "80 test examples" in evaluated
    assert metrics(evaluated)["loss"] == metrics(out)["test loss"]
    assert "all 400 examples" in good("evaluate", net, path, "--all")
    # Columns in another order, with others between them
    other = written("other", "wild", "depth", "price", "width", "height")
    found = list(csv.reader(io.StringIO(good("predict", net, other))))
    assert found[0] == ["class", "probability"]
    assert np.mean([row[0] for row in found[1:]] == columns["kind"]) > 0.9


def test_the_run_is_that_of_the_python_interface(good, written, large, columns, tmp_path):
    path, net = written("data", *NUMBERS, "kind"), tmp_path / "net"
    out = good("train", path, *SETTINGS, "--save", net, "--optimizer", "adam", "--schedule", "constant")
    X = np.stack([columns[name].astype("float32") for name in NUMBERS], axis=1)
    y = np.unique(columns["kind"], return_inverse=True)[1]
    first = written("first", *NUMBERS, "kind", **{name: columns[name][:320] for name in (*NUMBERS, "kind")})
    twin = gn.Network(
        [gn.Dense(8, "relu"), gn.Dense(3, "softmax")],
        seed=0,
        backend="numpy",
        standardizer=gn.Standardizer("feature"),
    )
    twin.fit(first, "kind", optimizer=gn.Adam(0.002), epochs=30, batch_size=16)
    assert float(metrics(out)["test accuracy"]) == pytest.approx(
        twin.evaluate(X[320:], columns["kind"][320:])["accuracy"], abs=1e-4
    )
    np.testing.assert_allclose(gn.load(net).predict(X), twin.predict(X), rtol=1e-3, atol=1e-5)
    assert y.max() == 2


@pytest.mark.slow
def test_values_and_validation(good, written, large, never_whole, columns, tmp_path):
    path, net = written("data", "height", "width", "price"), tmp_path / "net"
    more = ("--validation-fraction", 0.25, "--metrics", "r2", "--patience", 30)
    out = good("train", path, *SETTINGS, *more, "--save", net)
    assert "240 training examples, 80 for validation, 80 test examples" in out
    assert float(metrics(out)["test R²"]) > 0.9
    assert "test loss: " in out and "(price²)" in out
    evaluated = good("evaluate", net, path, "--metrics", "r2")
    assert metrics(evaluated)["loss"].split()[0] == metrics(out)["test loss"].split()[0]
    found = np.array(good("predict", net, path).splitlines()[1:], dtype=float)  # in the target's unit
    assert np.corrcoef(found, columns["price"])[0, 1] > 0.95
    assert np.mean(found) == pytest.approx(np.mean(columns["price"]), rel=0.05)


@pytest.mark.slow
def test_options_for_columns(good, written, large, never_whole, tmp_path):
    path, net = written("data", "kind", *NUMBERS, "price"), tmp_path / "net"
    out = good("train", path, "--target", "kind", "--columns", "width,depth", *SETTINGS, "--save", net)
    assert "2 features" in out
    assert gn.load(net).columns == ("width", "depth")
    assert "80 test examples" in good("evaluate", net, path)
    out = good("train", path, "--target", 0, "--drop", "price,wild", *SETTINGS, "--save", net)
    assert gn.load(net).columns == ("height", "width", "depth")
    assert float(metrics(out)["test accuracy"]) > 0.9
    assert "learning rate" in good("train", path, "--target", "kind", *SETTINGS, "--learning-rate", "find")


WHOLE = {
    "words": ({"wild": np.array(["yes", "no"] * 200)}, "column 'wild' holds string, and only numbers"),
    "dates": (
        {"wild": np.datetime64("2020-01-01", "s") + np.arange(M)},
        "column 'wild' holds timestamp",
    ),
    "missing": (
        {"depth": pa.array([None, *range(1, M)])},
        "column 'depth' has missing cells",
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_what_needs_an_encoder_is_read_as_a_whole_and_named(case, gpunet, written, large, tmp_path):
    changed, why = WHOLE[case]
    path, net = written("data", *NUMBERS, "kind", **changed), tmp_path / "net"
    code, out, err = gpunet("train", path, *SETTINGS, "--save", net)
    assert code == 0, err
    assert f"gpunet: {path} is large, and is read into memory as a whole: {why}" in err
    assert gn.load(net).encoder is not None
    code, evaluated, err = gpunet("evaluate", net, path)
    assert code == 0, err
    assert metrics(evaluated)["loss"] == metrics(out)["test loss"]


def test_other_files_are_read_as_a_whole_and_named(gpunet, written, large, columns, tmp_path):
    from pyarrow import feather

    path = tmp_path / "data.arrow"
    feather.write_feather(pa.table({name: columns[name] for name in (*NUMBERS, "kind")}), path)
    code, _, err = gpunet("train", path, *SETTINGS)
    assert code == 0
    assert "only .npy and .parquet files are read" in err
    code, _, err = gpunet("train", written("data", *NUMBERS, "kind"), *SETTINGS, "--missing", "?")
    assert code == 0
    assert "as a whole: --missing is given" in err


def test_small_tables_are_encoded(gpunet, good, written, monkeypatch, tmp_path):
    """And whoever has an encoder reads tables, however large they are."""
    path, net = written("data", *NUMBERS, "kind"), tmp_path / "net"
    code, out, err = gpunet("train", path, *SETTINGS, "--save", net)
    assert code == 0
    assert "large" not in err
    assert gn.load(net).encoder is not None
    predicted = good("predict", net, path)
    monkeypatch.setattr("gpunet.datasets.parquet_rows.host_memory", lambda: 8.0)
    code, evaluated, err = gpunet("evaluate", net, path)
    assert metrics(evaluated)["loss"] == metrics(out)["test loss"]
    assert "as a whole: the network's encoder reads tables" in err
    code, out, err = gpunet("predict", net, path)
    assert out == predicted
    assert "as a whole: the network's encoder reads tables" in err


@pytest.mark.parametrize("in_memory", [0, 2**27])
def test_a_file_that_was_read_by_blocks_is_so_where_it_is_not_large(
    in_memory, good, written, columns, monkeypatch, tmp_path
):
    """Else the test set would be other rows, many of which the network has been trained on."""
    monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", in_memory)
    path, net = written("data", *NUMBERS, "kind"), tmp_path / "net"
    other = written("other", "wild", "depth", "price", "width", "height", "kind")
    with monkeypatch.context() as patched:
        patched.setattr("gpunet.datasets.parquet_rows.host_memory", lambda: 8.0)
        out = good("train", path, *SETTINGS, "--save", net)
        # Columns are found by name, whether the network or its notes know them.
        evaluated, predicted = good("evaluate", net, other), good("predict", net, other)
    assert metrics(good("evaluate", net, path))["loss"] == metrics(out)["test loss"]
    assert "all 400 examples" in evaluated
    assert metrics(good("evaluate", net, other)) == metrics(evaluated)  # as a table
    assert good("predict", net, other) == predicted
    named = dict(zip("pqrs", (columns[name] for name in NUMBERS), strict=True))
    renamed = written("renamed", *"pqrs", "kind", **named)  # as many, in the same order
    assert metrics(good("evaluate", net, renamed)) == metrics(evaluated)


@pytest.mark.slow
def test_where_pyarrow_is_missing(gpunet, bad, written, large, monkeypatch, tmp_path):
    path, net = written("data", *NUMBERS, "kind"), tmp_path / "net"
    code, _, err = gpunet("train", path, *SETTINGS, "--save", net)
    assert code == 0
    monkeypatch.setattr("gpunet.datasets.parquet_rows._has_pyarrow", lambda: False)
    assert "was read block by block in training, and can't be now" in bad("evaluate", net, path)
    code, _, err = gpunet("train", path, *SETTINGS)
    assert code == 0
    assert "read with pyarrow, which pip install" in err


def test_mistakes(bad, written, large, columns):
    kinds = np.sort(columns["kind"])
    said = bad("train", written("sorted", *NUMBERS, "kind", kind=kinds), *SETTINGS, "--test-fraction", 0.5)
    assert "class cat is only in the last rows, which are the test set; shuffle it: gpunet shuffle" in said
    absent = pa.array([*columns["kind"][:-2], None, "ant"])
    said = bad("train", written("absent", *NUMBERS, "kind", kind=absent), *SETTINGS)
    assert "the target 'kind' of row 398 is missing" in said
    said = bad("train", written("nan", *NUMBERS, "kind", height=[*columns["height"][:-90], *[np.nan] * 90]))
    assert "NaN" in said and "row 310" in said
    assert "has no column 'weight'" in bad("train", written("data", *NUMBERS), "--target", "weight")
    said = bad("train", written("data", *NUMBERS, "kind"), *SETTINGS, "--standardize", "robust")
    assert "robust" in said


@pytest.mark.parametrize(("memory", "found"), [(8 * 8 * 4000 * 2 - 1, True), (8 * 8 * 4000 * 2, False)])
def test_which_tables_are_large(memory, found, written, rng, monkeypatch):
    from gpunet.datasets.parquet_rows import is_large

    path = str(written("data", "a", "b", group=4000, a=rng.integers(0, 200, 4000) / 7, b=np.ones(4000)))
    monkeypatch.setattr("gpunet.datasets.parquet_rows.host_memory", lambda: memory)
    assert is_large(path) is found
    monkeypatch.setattr("gpunet.datasets.parquet_rows.PACKED", 0)
    assert is_large(path) is False


def test_predict_reads_the_columns_that_are_asked_for(good, bad, written, large, never_whole, tmp_path):
    path, net = written("data", "height", "width", "kind"), tmp_path / "net"
    good("train", path, *SETTINGS, "--save", net)
    whole = good("predict", net, path)
    assert good("predict", net, path, "--columns", "kind, width,height") == whole
    assert "'height'" in bad("predict", net, path, "--columns", "width")
    assert "--separator goes with text files" in bad("predict", net, path, "--separator", ";")
