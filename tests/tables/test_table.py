"""The table itself, and the libraries behind it."""

import datetime
import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

from gpunet.datasets.table_files import read_table
from gpunet.installation import install_command
from gpunet.tables import Table, TableEncoder, Target
from gpunet.tables.columns import COLUMNS
from gpunet.tables.libraries import polars
from gpunet.tables.reading import KINDS
from gpunet.tables.table import as_table


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
    assert table.take([-1, 0, -3]).frame["x"].to_list() == [3, 1, 1]


def test_rows_that_were_taken_are_read_as_all_rows():
    """However often: a word among the numbers of rows that training does not see is no surprise later."""
    cells = [*map(str, range(60)), "n.d."]
    table = read_table({"x": cells, "t": ["a", "b"] * 30 + ["c"]}, target="t")
    part = table.take(np.arange(50)).take(np.arange(40))
    assert part.whole is table and table.whole is table
    encoder, target = TableEncoder("standard").fit(part), Target().fit(part)
    assert encoder.describe() == ["numbers: x ('n.d.' taken as missing)"]
    assert encoder.transform(table).shape == (61, 1)
    assert target.class_names == ("a", "b", "c")
    values = Target().fit(read_table({"x": cells, "t": np.arange(61) / 2}, target="t").take([0, 2]))
    assert (values.center, values.scale) == (0.5, 0.5)


def test_rows_that_were_taken_under_other_names():
    part = Table(pl.DataFrame({"x": ["1", "2", "n.d."]}), name="t").take([0, 1])
    renamed = part.renamed(["size"])
    assert (renamed.columns, part.columns) == (["size"], ["x"])
    assert TableEncoder().fit(renamed).describe() == ["numbers: size"]


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (["u", "v", "u"], "target"),
        (np.array(["u", "v", "u"]), "target"),
        (pd.Series(["u", "v", "u"]), "target"),
        (pd.Series(["u", "v", "u"], name="kind"), "kind"),
        (pd.Series(["u", "v", "u"], name=0), "0"),
        (pl.Series(["u", "v", "u"]), "target"),
        (pl.Series("kind", ["u", "v", "u"]), "kind"),
    ],
)
def test_other_labels(labels, name):
    """They decide what they are, and not those before, nor what was said of those."""
    table = read_table({"x": [1, 2, 3, 4], "t": [1, 2, 1, 2]}, target="t", kind="values").take([0, 1, 2])
    other = table.with_labels(labels)
    assert (other.target, other.labels.to_list(), other.kind) == (name, ["u", "v", "u"], "auto")
    assert Target().fit(other).class_names == ("u", "v")
    assert (table.target, other.whole.columns, len(other.whole.frame)) == ("t", ["x"], 4)
    with pytest.raises(ValueError, match=r"^table: expected 3 targets, one per row, got 2"):
        table.with_labels(["u", "v"])


def test_columns_of_numbers():
    table = read_table(io.BytesIO(b"a,b,c\n1,0.5,x\n2,NA,y\n3,1e2,z\n"))
    np.testing.assert_array_equal(table.take([0, 2]).numbers(["b", "a"]), [[0.5, 1], [100, 3]])
    with pytest.raises(
        ValueError, match=r"^table, line 3, column 'b': expected a number, got 'NA'; fill it in"
    ):
        table.numbers(["a", "b"])
    with pytest.raises(
        ValueError, match=r"^table, line 2, column 'c': expected numbers as in training, got 'x'"
    ):
        table.take([0, 2]).numbers()
    with pytest.raises(ValueError, match=r"^table lacks the columns 'd', 'e': it has a, b, c$"):
        table.numbers(["a", "d", "e"])
    commas = read_table(io.BytesIO(b"a;b\n1,5;2\n2,5;3\n")).numbers()
    np.testing.assert_array_equal(commas, [[1.5, 2], [2.5, 3]])
    missing = read_table({"x": ["1", "-99"]}, missing="-99")
    with pytest.raises(ValueError, match=r"^table, row 1 \(counted from 0\), column 'x': expected a number"):
        missing.numbers()
    wide = read_table({f"x{k}": [1] for k in range(30)})
    assert wide.numbers().shape == (1, 30)
    with pytest.raises(ValueError, match=r"x18, x19$"):
        wide.numbers(["y"])


def test_a_column_that_holds_no_numbers_at_all():
    table = read_table({"x": [1, 2], "d": [datetime.date(2024, 1, 1)] * 2})
    with pytest.raises(ValueError, match=r"^table, column 'd': expected numbers, got a column of Date$"):
        table.numbers()


def test_a_table_in_words():
    table = read_table({"x": range(1200), "t": ["a", "b", None] * 400}, target="t")
    assert table.describe() == ["table: 800 rows", "left out: 400 rows without a target (t)"]
    assert read_table({"x": range(1200)}).describe() == ["table: 1,200 rows"]
    assert repr(read_table({"x": [1, 2]})) == "<Table table: 2 rows, 1 feature columns>"
    assert repr(table) == "<Table table: 800 rows, 1 feature columns, target 't'>"
    assert (len(Table(pl.DataFrame(), pl.Series("t", [1, 2]))), read_table({"x": [1]}).target) == (2, None)


def test_a_table_of_a_table_or_of_columns():
    table = as_table({"x": [1, 2]})
    assert as_table(table) is table and table.name == "table"
    with pytest.raises(ValueError, match=r"^table: expected columns of equal length"):
        as_table({"x": [1, 2], "y": [1]})
