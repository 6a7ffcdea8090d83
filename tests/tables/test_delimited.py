"""Delimited text as people write it: what counts as a row, a comment, a name; against pandas and the module csv."""

import csv
import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpunet.datasets import read_table
from gpunet.tables import TableEncoder
from gpunet.tables.delimited import require_different


def read(text, **options):
    return read_table(io.BytesIO(text.encode()), **options)


def rows(text, **options):
    return [list(row) for row in read(text, **options).frame.rows()]


CELLS = st.text('ab1 ."\n', max_size=4)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@settings(derandomize=True, deadline=None, max_examples=25)
@given(cells=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6))
@example(cells=[("", "", ""), ("a", "", '"'), (" ", " ", " ")])
def test_what_csv_writes(separator, quoting, cells):
    """As it was written, but for blanks around cells; a row of empty cells is a row."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n", quoting=quoting).writerows(
        [("x", "y", "z"), *cells]
    )
    expected = [[cell.strip() or None for cell in row] for row in cells]
    assert rows(text.getvalue(), separator=separator, header=True) == expected


@pytest.mark.parametrize("row", [",", " , ", '"",""', "\t,  "])
def test_rows_of_empty_cells(row):
    """They are rows, but not above the header; where the width is another one, they are blank lines."""
    table = read(f"{row}\na,b\n1,2\n{row}\n3,4\n,,\n5,6\n{row}\n")
    assert table.frame.rows() == [("1", "2"), (None, None), ("3", "4"), ("5", "6"), (None, None)]
    assert (table.columns, table.lines.tolist()) == (["a", "b"], [3, 4, 5, 7, 8])
    assert rows(f"# c\n{row}\na,b\n1,2\n") == [["1", "2"]]
    assert rows(f"{row}\n1,2\n", header=False) == [[None, None], ["1", "2"]]
    assert rows(f"a,b\n{row}\n") == [[None, None]]
    assert rows(f",a,b\nr,1,2\n,{row}\ns,1,2\n") == [["r", "1", "2"], [None] * 3, ["s", "1", "2"]]


def test_rows_of_empty_cells_between_other_separators():
    assert rows("a\tb\n1\t2\n\t\n3\t4\n", separator="\t") == [["1", "2"], [None, None], ["3", "4"]]
    assert rows("a:b\n1:2\n:\n\t\n3:4\n", separator=":") == [["1", "2"], [None, None], ["3", "4"]]
    assert rows('a\n1\n""\n\n \n3\n') == [["1"], [None], ["3"]]


@pytest.mark.parametrize("blank", ["", " ", "      ", "\t"])
def test_blank_lines(blank):
    """They are not rows, wherever they stand, and count as lines."""
    table = read(f"a,b\n1,2\n{blank}\n3,4\n{blank}\n{blank}\n5,6\n{blank}\n")
    assert table.frame.rows() == [("1", "2"), ("3", "4"), ("5", "6")]
    assert table.lines.tolist() == [2, 4, 7]
    assert read(f"{blank}\na,b\n1,2\n").lines.tolist() == [3]


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        # The last comment above numbers holds their names, if there are as many, and more than one.
        ("# a,b\n1,2\n3,4\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
        ("#,a\n1,2\n3,4\n", ["#", "a"], [["1", "2"], ["3", "4"]]),
        ("# a\n1\n2\n", None, [["1"], ["2"]]),
        ("# a,b,c\n1,2\n3,4\n", None, [["1", "2"], ["3", "4"]]),
        ("1,2\n# a,b\n3,4\n7,8\n", None, [["1", "2"], ["3", "4"], ["7", "8"]]),
        # Comments are less than half of the lines from the first that is none.
        ("x,n\n#b,1\na,2\n#c,3\nd,4\n", ["x", "n"], [["a", "2"], ["d", "4"]]),
        ("x,n\na,1\n#b,2\n#c,3\n", ["x", "n"], [["a", "1"], ["#b", "2"], ["#c", "3"]]),
        ("color,n\n#ff0000,1\n", ["color", "n"], [["#ff0000", "1"]]),
        ("# of paint\ncolor,n\n#ff0000,1\n#00ff00,2\n", ["color", "n"], [["#ff0000", "1"], ["#00ff00", "2"]]),
        ("#ff0000,1\n", None, [["#ff0000", "1"]]),
        # Separators at the end of some lines, or of all.
        ("a,b,\n1,2\n3,4\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
        ("a,b\n1,2,\n3,4,\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
        ("a,b\n1,2\n3,4,\n5,,\n7,8\n", ["a", "b"], [["1", "2"], ["3", "4"], ["5", None], ["7", "8"]]),
        ("a,\n1,\n2,\n", ["a"], [["1"], ["2"]]),
        ("a,b,,\n1,2,,\n3,4,,\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
        ("a,b,,\n1,2,,\n3,4,,5\n", ValueError, "2 have no name"),
        ("a,b,c\n1,2\n3,4\n", ValueError, "line 2: expected 3 cells as in the first line, got 2"),
        ("a,b,c,\n1,2\n3,4\n", ValueError, "line 2: expected 4 cells as in the first line, got 2"),
        ("a;b\n1;2\n3\n", ValueError, "line 3: expected 2 cells as in the first line, got 1"),
        ("# c\nx,n\n#f,1\n#0,2\nz\n", ValueError, "line 5: expected 2 cells as in the first line, got 1"),
        ("# c\nx,n\n#f,1\n#0\n#1,2\n", ValueError, "line 4: expected 2 cells as in the first line, got 1"),
        # Names of rows, above which there is no name.
        ("1.5,2.5\nr,1,2\ns,3,4\n", ["", "1.5", "2.5"], [["r", "1", "2"], ["s", "3", "4"]]),
        ("1,2\n", None, [["1", "2"]]),
        ("a;b\n", ValueError, "has a header and no rows"),
    ],
)  # fmt: skip
def test_rows_names_and_comments(text, names, expected):
    if names is ValueError:
        with pytest.raises(ValueError, match=expected):
            read(text)
        return
    header = {} if names or text.startswith(("1", "# a")) else {"header": False}
    table = read(text, **header)
    assert table.columns == (names or [f"column {k}" for k in range(len(expected[0]))])
    assert [list(row) for row in table.frame.rows()] == expected


@pytest.mark.parametrize(
    ("text", "decimal", "notes"),
    [
        ("a,b\n1,2.5\n", ".", []),
        ("a,b\n1,2.5\n# c\n3,4\n5,6\n", ".", ["1 comment line skipped"]),
        ("# c\n# d\na,b\n1,2.5\n", ".", ["2 comment lines skipped"]),
        ("a;b\n1;2.5\n3;4\n", ".", ["separated by semicolons"]),
        ("a;b\n1;2,5\n3;4\n", ",", ["separated by semicolons", "decimal commas"]),
        ("a;b\nno, yes;2,5 or 3\n", "", ["separated by semicolons"]),
        ("a;b\nno;2,5\nyes, no;\n", ",", ["separated by semicolons", "decimal commas"]),
        ("a;b\n1;2,5\n3;4, 5\n", "", ["separated by semicolons"]),
        ('a,b\n"1,5",2\n', ".", []),
        ("a|b\n1|2\n", "", ["separated by bars"]),
        ("a|b\n1.500|2\n", "", ["separated by bars"]),  # 1500 or 1.5
        ("a|b\n1.500|2\n0.500|3\n", ".", ["separated by bars"]),
        ("a|b\n1.5|x\n1.5.2|y\n", "", ["separated by bars"]),
        ("a|b\n1.5|2\n|2,5\n", ",", ["separated by bars", "decimal commas"]),
        ("color,n\n#ff0000,1\n", ".", []),
        ("1.5\n2.5\n", ".", ["no header: the columns are called column 0"]),
    ],
)
def test_what_is_understood(text, decimal, notes):
    table = read(text)
    assert table.decimal == decimal
    assert table.describe()[1:] == notes


def test_many_columns_of_numbers_as_pandas_reads_them():
    X = np.random.default_rng(0).normal(size=(50, 30))
    text = pd.DataFrame(X, columns=[f"f{k}" for k in range(30)]).to_csv(index=False)
    frame = read(text).frame
    assert frame.columns == list(pd.read_csv(io.StringIO(text)).columns)
    np.testing.assert_array_equal(frame.cast(pl.Float64).to_numpy(), X)


@pytest.mark.parametrize("text", ["", " ", "  ,", "  ,\n\n", "# a\n , \n"])
def test_a_text_without_rows(text):
    with pytest.raises(ValueError, match=r"is empty|has a header and no rows"):
        read(text)


def test_the_encoding_is_said():
    table = read_table(io.BytesIO("a,b\né,1\n".encode("latin-1")))
    assert table.describe()[1:] == ["read as Latin-1"] and table.frame.rows() == [("é", "1")]
    utf16 = read_table(io.BytesIO("a,b\né,1\n".encode("utf-16")))
    assert utf16.describe()[1:] == ["read as UTF-16"] and utf16.frame.rows() == [("é", "1")]


def test_no_columns_have_different_names():
    require_different([], "t")


def test_cells_of_no_known_kind_have_no_kind_that_is_asked_for():
    data = {"l": [[1], [2]], "x": [1, 2], "e": [None, None]}
    for kind, called in (("category", "categories"), ("number", "numbers"), ("date", "dates")):
        with pytest.raises(ValueError, match=rf"'l' cannot be read as {called}: it has the type Object"):
            TableEncoder(kinds={"l": kind}).fit(data)
        assert TableEncoder(kinds={"e": kind}).fit(data).left_out["e"] == "empty"
