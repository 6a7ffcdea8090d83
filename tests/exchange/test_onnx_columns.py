"""Networks on tables as ONNX files: one input per column, encoded as the TableEncoder does it."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

import gpunet as gn

M = 60


def people(rng):
    """Columns of every kind, with gaps in most; the first rows hold the odd cells."""
    days = [
        datetime.datetime(2023, 1, 1) + datetime.timedelta(hours=int(h)) for h in rng.integers(20_000, size=M)
    ]
    table = {
        "age": rng.normal(40, 12, size=M),
        "income": 10 ** rng.normal(4, 1, size=M),
        "flat": np.ones(M),  # constant, but for gaps
        "city": [f"city {k}" for k in rng.integers(12, size=M)],
        "color": [("red", "green", "blue")[k] for k in rng.integers(3, size=M)],
        "member": [bool(k) for k in rng.integers(2, size=M)],
        "sure": [bool(k) for k in rng.integers(2, size=M)],
        "joined": days,
        "alarm": [datetime.time(int(m) // 60, int(m) % 60) for m in rng.integers(24 * 60, size=M)],
        "height": rng.normal(1.7, 0.1, size=M),
    }  # fmt: skip
    table["age"][[1, 4]] = np.nan
    table["flat"][[0, 7]] = np.nan
    for name, row in (("color", 2), ("member", 3), ("joined", 5), ("alarm", 6)):
        table[name][row] = None
    target = np.nan_to_num(table["age"], nan=40.0) + 5 * np.array([c == "red" for c in table["color"]])
    return pl.DataFrame(table, strict=False), target


def feeds(frame):
    """The columns as a user of onnxruntime passes them."""
    found = {}
    for cells in frame.get_columns():
        if cells.dtype == pl.String:
            column = np.array(cells.fill_null("").to_list(), object)
        elif cells.dtype == pl.Datetime:
            column = np.array(
                [
                    np.nan if day is None else (day - datetime.datetime(1970, 1, 1)).total_seconds()
                    for day in cells
                ]
            )
        elif cells.dtype == pl.Time:
            column = np.array(
                [np.nan if time is None else time.hour * 3600.0 + time.minute * 60 for time in cells]
            )
        else:
            column = np.array([np.nan if cell is None else float(cell) for cell in cells])
        found[cells.name] = column.reshape(-1, 1)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("numbers", ["robust", "standard"])
@pytest.mark.parametrize("one_hot_limit", [50, 5, 2])
def test_every_kind_of_column(exported, close, rng, numbers, one_hot_limit, dtype):
    frame, y = people(rng)
    net = gn.Network(
        [gn.Dense(9, "tanh"), gn.Dense(1)],
        seed=0, backend="numpy", dtype=dtype, encoder=gn.TableEncoder(numbers, one_hot_limit=one_hot_limit),
    )  # fmt: skip
    net.fit(frame, y, epochs=2)
    assert net.encoder.columns == frame.columns
    kinds = [column.kind for column in net.encoder.learned]
    assert kinds == [*["number"] * 3, *["category"] * 2, *["boolean"] * 2, "date", "time", "number"]
    run = exported(net)
    text = ("color", "city")
    kind = {name: "tensor(string)" if name in text else "tensor(double)" for name in frame.columns}
    assert run.inputs == {name: (kind[name], ["rows", 1]) for name in frame.columns}
    assert run.outputs == {"values": ("tensor(double)", ["rows", 1])}
    assert json.loads(run.metadata["feature_names"]) == net.encoder.feature_names
    for rows in (slice(0, 1), slice(3, 5), slice(None)):
        close(run(feeds(frame[rows]))["values"], net.predict(frame[rows]))
    assert run(feeds(frame[:0]))["values"].shape == (0, 1)


ODD = [0.0, np.nan, np.inf, -np.inf, 1e-300, 1.7e308, -1.7e308, 1e200, -1e20, 1e160]
OTHER_CELLS = {
    "words": {
        "color": ["red", "Red", "NA", "?", "purple", "", "xx", "blue", None, "nan"],
        "city": ["city 1", "city 99", "NA", "", "x" * 30, "city 2", "city 3", "-", None, "city"],
    },
    "gaps": {"sure": [True, None, False, None, True, False, True, True, None, False]},
    "numbers": {"height": ODD, "income": ODD[::-1]},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("numbers", ["robust", "standard"])
@pytest.mark.parametrize("cells", OTHER_CELLS)
def test_cells_that_training_did_not_have(exported, close, rng, cells, numbers, dtype):
    """Other words, words for missing, gaps where training had none, and numbers of any size."""
    frame, y = people(rng)
    net = gn.Network(
        [gn.Dense(9, "tanh"), gn.Dense(2, "sigmoid")],
        seed=0, backend="numpy", dtype=dtype, encoder=gn.TableEncoder(numbers, one_hot_limit=5),
    )  # fmt: skip
    net.fit(frame, np.stack([y > 40, y > 50], axis=1), epochs=2)
    new = frame[: len(ODD)]
    usual = net.predict(new)
    new = new.with_columns(
        pl.Series(name, values, strict=False) for name, values in OTHER_CELLS[cells].items()
    )
    found = exported(net)(feeds(new))["probabilities"]
    close(found, net.predict(new))
    assert (np.abs(found - usual).max(axis=1) > 1e-5).sum() > 2


def test_columns_that_are_called_as_outputs_and_nodes(exported, close, rng):
    names = ["label", "probabilities", "Gemm", "constant", "W1", "Z1", "constant 2", "Concat", "X"]
    columns = {name: rng.normal(size=M) for name in names}
    words = np.array(["a", "b"])[(columns["label"] > 0).astype(int)]
    net = gn.Network(
        [gn.Dense(3, "relu"), gn.Dense(1, "sigmoid")],
        seed=0,
        backend="numpy",
        encoder=gn.TableEncoder("standard"),
    )
    net.fit(columns, words, epochs=3)
    run = exported(net)
    assert list(run.inputs) == names
    assert list(run.outputs) == ["probabilities 2", "label 2"]
    out = run({name: column.reshape(-1, 1) for name, column in columns.items()})
    close(out["probabilities 2"], net.predict(columns))
    assert out["label 2"].tolist() == net.predict_target(columns).tolist()


def test_a_column_without_a_name(exported, close, rng):
    columns = {"a": rng.normal(size=M), "": rng.normal(size=M)}
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy", encoder=gn.TableEncoder())
    net.fit(columns, columns["a"], epochs=1)
    run = exported(net)
    assert list(run.inputs) == ["a", "column 1"]
    out = run({"a": columns["a"].reshape(-1, 1), "column 1": columns[""].reshape(-1, 1)})
    close(out["values"], net.predict(columns))


def test_a_column_without_a_name_beside_one_that_is_called_by_its_number(exported, close, rng):
    columns = {name: rng.normal(size=M) for name in ("column 1", "", "column 2")}
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy", encoder=gn.TableEncoder())
    net.fit(columns, columns[""] - columns["column 1"], epochs=1)
    run = exported(net)
    assert list(run.inputs) == ["column 1", "column 3", "column 2"]
    feeds = {name or "column 3": column.reshape(-1, 1) for name, column in columns.items()}
    close(run(feeds)["values"], net.predict(columns))


@pytest.mark.parametrize("kind", ["number", "category", "boolean"])
def test_one_column_alone(exported, close, rng, kind):
    column = {
        "number": rng.normal(size=M),
        "category": [f"word {k}" for k in rng.integers(4, size=M)],
        "boolean": [bool(k) for k in rng.integers(2, size=M)],
    }[kind]
    frame = pl.DataFrame({"one": column})
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy", encoder=gn.TableEncoder())
    net.fit(frame, rng.normal(size=M), epochs=1)
    run = exported(net)
    close(run(feeds(frame))["values"], net.predict(frame))
    assert run.model.graph.input[0].doc_string.startswith(
        {"number": "a number", "category": "text", "boolean": "0"}[kind]
    )


def test_an_encoder_that_is_not_fitted(network, tmp_path):
    net = network([gn.Dense(1)], encoder=gn.TableEncoder())
    with pytest.raises(ValueError, match="knows no table yet; call fit first"):
        net.to_onnx(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_values_in_their_own_unit(exported, rng):
    """Prices around a million: relative to their size, and their deviation."""
    frame, y = people(rng)
    net = gn.Network.for_table(gn.datasets.read_table({"a": frame["age"], "price": 1e6 + 1e3 * y}, target="price"),
                               hidden=(8,), seed=0, backend="numpy")  # fmt: skip
    net.fit({"a": frame["age"]}, 1e6 + 1e3 * y, epochs=20)
    found = exported(net)(feeds(frame.select(a="age")))["values"]
    expected = net.predict(frame.select(a="age"))
    assert found.std() > 1e3
    np.testing.assert_allclose(found - 1e6, expected - 1e6, rtol=1e-5, atol=1e-2)
