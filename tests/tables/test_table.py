"""The table itself, and the libraries behind it."""

import io
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from gpunet.datasets.table_files import read_table
from gpunet.installation import install_command
from gpunet.tables import TableEncoder, Target
from gpunet.tables.columns import COLUMNS
from gpunet.tables.libraries import polars
from gpunet.tables.reading import KINDS


def test_every_kind_has_its_column():
    assert set(COLUMNS) == set(KINDS)
    assert all(kind == column.kind for kind, column in COLUMNS.items())


def test_rows_are_taken_with_their_lines_and_targets(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,t\n1,x,u\n2,y,v\n3,z,w\n")
    table = read_table(path, target="t")
    for rows in ([2, 0], np.array([2, 0])):
        part = table.take(rows)
        assert part.frame.rows() == [("3", "z"), ("1", "x")]
        assert part.labels.to_list() == ["w", "u"] and part.lines.tolist() == [4, 2]
    assert table.take(np.array([True, False, True])).lines.tolist() == [2, 4]
    assert len(table.take(np.zeros(3, bool))) == 0
    assert repr(part) == f"<Table {path}: 2 rows, 2 feature columns, target 't'>"
    assert (table.target, table.columns, len(table)) == ("t", ["a", "b"], 3)


def test_errors_name_the_line_of_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("# c\na,t\n1,0.5\n\nx,1.5\n3,y\n")
    table = read_table(path, target="t")
    with pytest.raises(
        ValueError, match=r"t\.csv, line 5, column 'a': expected numbers as in training, got 'x'"
    ):
        TableEncoder().fit({"a": [1, 2]}).transform(table)
    with pytest.raises(
        ValueError, match=r"t\.csv, line 6, column 't': expected numbers as in training, got 'y'"
    ):
        Target().fit([0.5, 1.5]).encode(table)
    with pytest.raises(
        ValueError, match=r"t\.csv, line 3, column 't': expected one of the classes u, v, got '0\.5'"
    ):
        Target().fit(["u", "v"]).encode(table)
    with pytest.raises(ValueError, match=r"has no target; name one in read_table"):
        Target().fit(read_table(path))


def test_the_kind_of_a_table_is_the_targets():
    data = {"x": [1, 2, 3, 4], "t": [0, 1, 0, 1]}
    assert Target().fit(read_table(data, target="t", kind="values")).kind == "values"
    assert Target("classes").fit(read_table(data, target="t", kind="values")).kind == "classes"


def test_the_words_for_missing_of_a_table_are_the_targets():
    data = {"x": [1, 2, 3], "t": ["NA", "US", "?"]}
    assert Target().fit(read_table(data, target="t", missing="?")).class_names == ("NA", "US")
    assert Target().fit(read_table(data, target="t", missing=())).class_names == ("?", "NA", "US")


def test_training_and_test_rows_of_one_table():
    """As a training run uses them: the encoder sees the training rows alone, the target all class names."""
    table = read_table({"x": [1.0, 2.0, 3.0, 1e6], "t": ["a", "b", "a", "c"]}, target="t")
    train, test = np.array([0, 1, 2]), np.array([3])
    encoder = TableEncoder("standard").fit(table.take(train))
    target = Target().fit(table, training=train)
    assert encoder.transform(table.take(test))[0, 0] > 1e5
    assert target.encode(table.take(test)).tolist() == [2]


def test_row_numbers_are_left_out_of_a_random_training_part_too():
    text = "".join(f"{k},{k % 7},{k % 2}\n" for k in range(50))
    table = read_table(io.BytesIO((",x,t\n" + text).encode()), target="t")
    train = np.random.default_rng(0).permutation(50)[:40]
    assert TableEncoder().fit(table.take(train)).left_out == {"": "row numbers"}


def test_libraries_are_imported_when_they_are_used():
    code = (
        "import sys, gpunet.tables, gpunet.datasets.table_files;"
        "assert not {'polars', 'narwhals', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_what_to_install_is_said(monkeypatch):
    assert polars() is pl
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=re.escape(install_command("tables"))):
        polars()


@pytest.mark.parametrize("mask", [[True, False], [[True, False, True]], []])
def test_a_mask_has_an_entry_for_each_row(mask):
    table = read_table({"x": [1, 2, 3]})
    with pytest.raises(ValueError, match=r"rows must have 3 entries, True or False for each row; got \("):
        table.take(np.array(mask, dtype=bool))
    assert len(table.take(np.array([True, False, True]))) == 2


def test_rows_that_are_not_there():
    table = read_table({"x": [1, 2, 3]})
    for rows in ([3], [0, -4]):
        with pytest.raises(ValueError, match=r"^table: rows must be numbers from 0 to 2, got others$"):
            table.take(rows)
    with pytest.raises(
        TypeError, match=r"^table: rows must be whole numbers, or True and False, got float64$"
    ):
        table.take([0.5])
    assert len(table.take([])) == 0
    assert table.take([-1, 0]).frame["x"].to_list() == [3, 1]
