"""Target columns of NumPy and of Python are read as Polars reads them, and need no Polars."""

import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpunet.tables import Target
from gpunet.tables.frames import to_series
from gpunet.tables.missing import MISSING
from gpunet.tables.reading import Misread, Reading
from gpunet.tables.target import missing_targets
from gpunet.tables.target_cells import NumberCells, SeriesCells, WordCells, target_cells

WORDS = (
    "cat",
    " dog ",
    "A1",
    "class 2024",
    "True",
    "false",
    "7",
    "07",
    "-3",
    "+",
    "-",
    "NA",
    "",
    "1.5",
    "$5",
)
WORDS += ("2024-01-31", "12:30", "inf", "1E2", "1,5", "5 %", "infinity", "3 January 2024", "0", "n.d.")
CELLS = {
    "words": st.sampled_from(WORDS) | st.none(),
    "numbers": st.integers(-3, 3) | st.floats(allow_nan=True, width=32) | st.none(),
    "integers": st.integers(-(2**40), 2**40) | st.none(),
    "large": st.integers(-(2**66), 2**66) | st.none(),
    "booleans": st.booleans() | st.none(),
    "mixed": st.sampled_from(("a", 1, 2.5, 2.0, True, None)),
}


def both(values):
    return target_cells("y", values), SeriesCells("y", to_series("y", values))


@pytest.mark.parametrize("kind", CELLS)
@settings(derandomize=True, deadline=None)
@given(data=st.data())
def test_read_as_polars_reads(kind, data):
    values = data.draw(st.lists(CELLS[kind], min_size=1, max_size=8))
    own, theirs = both(values)
    reading = own.read(MISSING)
    assert len(own) == len(values)
    assert reading == theirs.read(MISSING)
    assert np.array_equal(own.missing(reading.missing), theirs.missing(reading.missing))
    assert own.words_for_missing(MISSING) == theirs.words_for_missing(MISSING)
    (texts, positions), (other, others) = own.texts(reading.missing), theirs.texts(reading.missing)
    assert [texts[k] if k >= 0 else None for k in positions] == [other[k] if k >= 0 else None for k in others]
    if reading.kind in ("number", "boolean"):
        assert np.array_equal(own.numbers(reading), theirs.numbers(reading), equal_nan=True)
        assert own.are_whole(reading) == theirs.are_whole(reading)


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float32", "float64", "bool", "<U3", "T", "O"])
def test_arrays(dtype):
    values = np.array([1, 0, 1, 1], "int8")
    values = values.astype("U1").astype(dtype) if dtype == "T" else values.astype(dtype)
    own, theirs = both(values)
    assert isinstance(own, WordCells if dtype in ("<U3", "T") else NumberCells)
    reading = own.read(MISSING)
    assert reading == theirs.read(MISSING)
    assert np.array_equal(own.numbers(reading), theirs.numbers(reading))
    assert (
        [own.texts(())[0][k] for k in own.texts(())[1]] == ["True", "False", "True", "True"]
        if (dtype == "bool")
        else ["1", "0", "1", "1"]
    )
    assert own[1] == values[1]


def test_series_of_pandas():
    for values, kind in (
        (pd.Series([1, 0, None]), NumberCells),
        (pd.Series([1, 0, None], dtype="Int64"), NumberCells),
        (pd.Series([True, False, None], dtype="boolean"), NumberCells),
        (pd.Series(["a", "b", None]), WordCells),
        (pd.Series(["a", "b", None], dtype="category"), WordCells),
        (pd.Series([1, 0, None], dtype="category"), WordCells),
        (pd.Series([pd.Timestamp("2024-01-01"), None]), SeriesCells),
        (pd.Series([datetime.date(2024, 1, 1), None]), SeriesCells),
    ):
        own = target_cells("y", values)
        assert type(own) is kind
        assert own.missing(()).tolist() == [False] * (len(values) - 1) + [True]
    numbers = pd.Series([3, 1, 3], dtype="category")
    assert target_cells("y", numbers).read(MISSING).kind == "category"
    assert Target().fit(numbers).class_names == ("1", "3")
    assert set(Target().fit(pd.Series([True, False], dtype="category")).class_names) == {"False", "True"}


def test_words_that_mean_missing():
    assert missing_targets(["a", "NA", " ", None, "b"]).tolist() == [False, True, True, True, False]
    assert missing_targets(["+", "-", "NA"]).tolist() == [False, False, True]
    assert missing_targets(["a", "NA", "x"], missing=("x",)).tolist() == [False, False, True]


def test_numbers_that_are_no_booleans():
    reading = Target("values").fit([True, False])._reading
    assert target_cells("y", [1.0, 0.0, None]).numbers(reading)[:2].tolist() == [1, 0]
    with pytest.raises(Misread, match=r"expected booleans as in training, got 2\.5") as caught:
        target_cells("y", [None, 1.0, 2.5]).numbers(reading)
    assert caught.value.row == 2


def test_whole_numbers_in_text_and_others():
    reading = Reading("number", (), "point")
    assert target_cells("y", ["7", None, "-1"]).numbers(reading).tolist()[::2] == [7, -1]
    assert target_cells("y", ["7", "1.5"]).numbers(reading).tolist() == [7, 1.5]
    with pytest.raises(Misread, match="got 'x'"):
        target_cells("y", ["7", "x"]).numbers(reading)


BASE_INSTALL = """
import sys
sys.modules.update(polars=None, narwhals=None, pandas=None, pyarrow=None)
import numpy as np
import gpunet as gn

X = np.arange(80.0).reshape(40, 2) / 80
targets = {
    "words": np.array(["cat", "dog"])[np.arange(40) % 2],
    "bytes": np.array([b"cat", b"dog"])[np.arange(40) % 2],
    "digits": np.array(["5", "0"])[np.arange(40) % 2],
    "integers": np.arange(40) % 3,
    "booleans": np.arange(40) % 2 == 0,
    "values": np.linspace(0, 1, 40),
    "many": np.arange(40),
}
for name, y in targets.items():
    np.savez(name, X=X, y=y)
    print(name, gn.datasets.load(f"{name}.npz").class_names)
np.savez("dates", X=X, y=np.arange(40).astype("datetime64[D]"))
try:
    gn.datasets.load("dates.npz")
except ValueError as error:
    print(error)
net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy")
net.fit(X, targets["words"].tolist(), epochs=1)
net.save("net.safetensors")
net = gn.load("net.safetensors")
print(net.class_names, set(net.predict_target(X)) <= {"cat", "dog"}, set(net.evaluate(X, targets["words"])))
from gpunet.cli import main
main(["train", "words.npz", "--epochs", "1", "--save", "cli.safetensors"])
main(["evaluate", "cli.safetensors", "words.npz"])
main(["predict", "cli.safetensors", "words.npz"])
"""


def test_no_other_library_is_needed(tmp_path):
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", BASE_INSTALL], capture_output=True, text=True, cwd=tmp_path,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path), "GPUNET_COMPILE": "never"},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[:7] == [
        "words ('cat', 'dog')",
        "bytes ('cat', 'dog')",
        "digits ('0', '5')",
        "integers ('0', '1', '2')",
        "booleans ('False', 'True')",
        "values None",
        "many None",
    ]
    assert lines[7] == "dates.npz: y must be numbers or text, got an array of datetime64[D]"
    assert lines[8].startswith("('cat', 'dog') True {")
    assert "ImportError" not in found.stderr
    assert any(line.startswith("test accuracy") for line in lines)
    assert lines[-1].split(",")[0] in ("cat", "dog")


def test_codes_need_polars(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    for codes in (["02139", "10001"], ["2024-01-01"], ["1.5", "2"]):
        with pytest.raises(ImportError, match="polars, which is not installed; install it with"):
            Target().fit(codes)
    assert Target().fit(["A1", "B2", "02139"]).class_names == ("02139", "A1", "B2")


@pytest.mark.parametrize(
    "cells",
    [
        ["b", None, "a", "b"],
        [2, None, 1, 2],
        np.array([2, np.nan, 1, 2]),
        pd.Series([2, None, 1, 2], dtype="Int64"),
        pl.Series(["b", None, "a", "b"]),
    ],
)
def test_where_the_texts_are(cells):
    texts, positions = target_cells("y", cells).texts(())
    first, second = (texts.index(text) for text in (("b", "a") if "b" in texts else ("2", "1")))
    assert positions.tolist() == [first, -1, second, first]


def test_nothing_but_missing_cells():
    for cells in ([None, "NA"], [None, None], np.array([np.nan]), pl.Series(["NA", ""])):
        found = target_cells("y", cells)
        reading = found.read(MISSING)
        assert reading.kind == "empty"
        texts, positions = found.texts(reading.missing)
        assert texts == [] and positions.tolist() == [-1] * len(cells)


def test_words_for_true_and_false():
    for cells in (["True", "false"], ["TRUE", None], [" false "]):
        assert target_cells("y", cells).read(MISSING) == Reading("boolean", MISSING)
    assert target_cells("y", ["true", "yes"]).read(MISSING).kind == "category"
    booleans = Target("values").fit([True, False])
    assert booleans.encode(["1", "0", "TRUE"])[:, 0].tolist() == [1, -1, 1]
    for cells in (["1", "2"], [1, 2], pl.Series(["1", "2"]), pl.Series([1, 2])):
        with pytest.raises(ValueError, match=r"row 1: expected booleans as in training, got '?2"):
            booleans.encode(cells)


@pytest.mark.parametrize(
    "made",
    [
        lambda cells: pd.Series(cells, dtype="category"),
        lambda cells: pl.Series(cells, dtype=pl.Categorical),
        lambda cells: pl.Series(cells, dtype=pl.Enum(sorted(set(cells)))),
        lambda cells: pa.array(cells).dictionary_encode(),
        lambda cells: pa.chunked_array([pa.array(cells).dictionary_encode()]),
    ],
)
def test_what_is_categories_is_classes(made):
    """Whatever it looks like."""
    numbers = [str(k) for k in range(10)]
    for cells in (numbers, [f"{number}.5" for number in numbers], ["2024-01-31", "2024-02-01"]):
        assert Target().fit(made(cells)).class_names == tuple(cells)


@pytest.mark.parametrize(
    "made",
    [
        list,
        lambda cells: np.array(cells, object),
        lambda cells: pd.Series(cells, dtype="Int64"),
        lambda cells: pl.Series(cells, dtype=pl.Int64),
        pa.array,
        lambda cells: pa.chunked_array([cells[:2], cells[2:]]),
    ],
)
def test_integers_beyond_2_to_the_53_beside_a_missing_one(made):
    assert Target().fit(made([2**53, 2**53 + 1, None] * 4)).class_names == (str(2**53), str(2**53 + 1))


def test_integers_that_floats_would_round():
    assert Target("classes").fit([2**53 + 1, 2**53, 0.5]).class_names == ("0.5", str(2**53), str(2**53 + 1))
    assert isinstance(target_cells("y", [2**53, 0.5]), NumberCells)
    assert isinstance(target_cells("y", [-(2**53) - 1, 0.5]), WordCells)
    assert isinstance(target_cells("y", [2**64, 1]), WordCells)


def test_what_needs_no_polars(monkeypatch):
    """Numbers, however they are held, words, and whole numbers in text."""
    monkeypatch.setitem(sys.modules, "polars", None)
    for cells in ([200, 0.5, 1.5], [2**53, 0.5], [0.5, None, 200], np.array([1.5, 200])):
        assert Target("values").fit(cells).encode([200.0]).shape == (1, 1)
    assert Target("values").fit(["7", "-5", None]).encode(["7"]).tolist() == [[1.0]]
    assert Target().fit([True, 1, 2.5, "a"]).class_names == ("1", "2.5", "True", "a")


@pytest.mark.parametrize("values", [object(), 5, None, {"a": 1}])
def test_no_column(values):
    with pytest.raises(TypeError, match=r"'y' must be an array, a list or a Series, got \w+"):
        target_cells("y", values)


@pytest.mark.parametrize("shape", [(), (2, 2), (1, 2, 1)])
def test_arrays_of_other_shapes(shape):
    with pytest.raises(ValueError, match=r"'y' must be one column \(m,\), got shape"):
        target_cells("y", np.zeros(shape))
    with pytest.raises(ValueError, match=r"'y' must be one column \(m,\), got shape \(3, 2\)"):
        target_cells("y", pd.DataFrame(np.zeros((3, 2))))
