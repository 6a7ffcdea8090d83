"""Table files: what is read is what was written."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest

from gpunet.datasets.table_files import read_table
from gpunet.tables import TableEncoder
from messy_tables import CASES, COUNTS, HEADER, SIZES, WORDS, check, frame, lines, write


@pytest.mark.parametrize("name", CASES)
def test_messy_file(name, tmp_path):
    check(CASES[name], read_table(write(CASES[name], tmp_path), **CASES[name].options))


@pytest.mark.parametrize("name", ["plain", "decimal commas", "gzip", "Parquet", "Arrow stream"])
def test_a_binary_file_object_and_standard_input(name, monkeypatch):
    case = CASES[name]
    check(case, read_table(io.BytesIO(case.data), **case.options))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(case.data)))
    table = read_table("-", **case.options)
    check(case, table)
    assert table.name == "standard input"


def test_what_was_understood_is_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(("# by hand\n" + lines(None, ["1,5", "2,5"], [3, 4], separator=";")).encode("utf-16"))
    table = read_table(path)
    assert table.describe() == [
        f"{path}: 2 rows",
        "read as UTF-16",
        "separated by semicolons",
        "1 comment line skipped",
        "decimal commas",
        "no header: the columns are called column 0 to column 1",
    ]
    path.write_text("a,t\n1,x\n2,NA\n3,y\n")
    assert "left out: 1 rows without a target (t)" in read_table(path, target="t").describe()


def test_lines_are_those_of_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('# c\na,b\n\n1,"x\ny"\n2,NA\n# c\n3,z\n')
    table = read_table(path, target="b")
    assert table.lines.tolist() == [4, 8]
    path.write_text('a,b\n1,6" nail\n\n2,"x\ny"\n3,z\n')  # read by another way
    assert read_table(path).lines.tolist() == [2, 4, 6]


def test_lines_are_counted_from_excels_line_on():
    for separator in (None, ";"):
        table = read_table(io.BytesIO(b"sep=;\na;b\n1;2\n"), separator=separator)
        assert (table.columns, table.lines.tolist()) == (["a", "b"], [3])


def test_blanks_in_quotation_marks_stay():
    table = read_table(io.BytesIO(b'a b\n1 "x  y"\n2 "z"\n'), separator=" ")
    assert table.frame["b"].to_list() == ["x  y", "z"]


def test_hash_signs_that_are_no_comments(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("# comment\ncolor,n\n" + "#ff0000,1\n#00ff00,2\n" * 3)
    assert read_table(path).frame["color"].to_list() == ["#ff0000", "#00ff00"] * 3
    path.write_text("n,m\n1,2\n#N/A,3\n2,4\n5,6\n")
    assert read_table(path).frame["n"].to_list() == ["1", "#N/A", "2", "5"]
    path.write_text("#ff0000,1\n#00ff00,2\n")
    assert len(read_table(path, header=False)) == 2


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("# a,b,c\n# d,e,f\n# g,h,i\n# j,k,l\nx;y\n1;2\n", ["1", "2"]),  # comments do not vote
        ("1,5;x\n2,5;y\n", ["1,5", "x"]),  # decimal commas are numbers
        ("a,b\n1;2,3\n4;5,6\n", ["1;2", "3"]),
        ("say it\nhello you\nbye you\n", ["hello you"]),  # words with blanks are one column
        ('words\n1 "a b"\n2 "c d"\n', ['1 "a b"']),
        ("# x,y\nu,v\n1,2\n", ["1", "2"]),  # the header below the comment is one
        ("name|tags\na|x;y\nb|z;w\n", ["a", "x;y"]),
        ("a\tb\n1,5\t2\n", ["1,5", "2"]),
    ],
)
def test_separators_are_found_out(text, first):
    assert list(read_table(io.BytesIO(text.encode())).frame.row(0)) == first


def test_a_point_stands_for_thousands_in_a_file_with_decimal_commas():
    table = read_table(io.BytesIO(b"a;b\n1.234;1,5\n2.345;2,5\n7.000;3,5\n"))
    _, arrays = TableEncoder("standard").fit(table).to_state()
    np.testing.assert_allclose(arrays["column 0 numbers"][0], (1234 + 2345 + 7000) / 3)
    np.testing.assert_allclose(arrays["column 1 numbers"][0], 2.5)


def test_categorical_numbers_stay_categories():
    frame = pd.DataFrame({"c": pd.Categorical([10, 20, 10]), "x": [1, 2, 3]})
    assert TableEncoder().fit(frame).feature_names == ["c=10", "c=20", "x"]


def test_nothing_is_guessed_about_cells(tmp_path):
    path = tmp_path / "t.csv"
    cells = ["NA", "02139", "1E2", "9007199254740993", "1_000", "0x10", "1.50", "true", "2024-01-01"]
    path.write_text("a,b\n" + "".join(f"{cell},1\n" for cell in cells))
    assert read_table(path).frame["a"].to_list() == cells


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2\n", ["a", "b"]),
        ("1,2,3\n4,5,6\n7,8,9\n", None),  # counts from 1 above whole numbers: rows
        ("0,1,2\n5,6,7\n", ["0", "1", "2"]),
        ("1,2\n0.5,0.25\n3.5,1.5\n", ["1", "2"]),
        ("0,0\n0,1\n1,0\n1,1\n", None),
        ("0,1\n1,0\n1,1\n", None),
        (",0,1\n0,5,6\n1,7,8\n", ["", "0", "1"]),
        ("2023,2024\n120,130\n", ["2023", "2024"]),
        ("2023,2024\n2025,2026\n", None),
        ("2023,2024,trend\n1,2,3\n", ["2023", "2024", "trend"]),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n6.0,2.2,virginica\n", None),
        ("1,2,setosa\n4,3,setosa\n6,2,virginica\n", None),
        ("1,2,kind\n4,3,setosa\n6,2,setosa\n", ["1", "2", "kind"]),
        ("p,x,s\ne,x,s\np,x,y\ne,y,s\n", None),
        ("kind,cap\np,x\np,y\ne,x\n", ["kind", "cap"]),
        ("a,b\n1,2\na,b\n3,4\n", ["a", "b"]),  # two files, one after the other
        (",1.5,2.5\na,1,2\nb,3,4\n", ["", "1.5", "2.5"]),  # names of rows and columns
        (",1,3\n5,1,2\n5,3,4\n", None),
        ("a\n1\n2\n", ["a"]),
        ("1\n2\n", None),
    ],
)
def test_header_is_found_out(text, names, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    table = read_table(path)
    width = text.split("\n")[0].count(",") + 1
    assert table.columns == (names or [f"column {k}" for k in range(width)])
    assert len(table) == text.count("\n") - (names is not None)
    assert read_table(path, header=False).columns == [f"column {k}" for k in range(width)]
    assert len(read_table(path, header=False)) == text.count("\n")


def test_a_name_that_is_asked_for_makes_a_header(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("5.5,label\n1,a\n2,a\n")
    assert read_table(path, target="label").columns == ["5.5"]
    path.write_text("label,b\nlabel,b\nx,y\n")
    assert len(read_table(path, columns=["label", "b"])) == 2
    assert len(read_table(path)) == 3  # words alone, that recur


def test_options_name_columns_in_every_way():
    for drop in ("size,count", ["size", 1], [0, 1], "0,1", [-4, -3]):
        assert read_table(frame(), drop=drop).columns == ["color", "animal"]
    assert read_table(frame(), columns=["color", "size"], target=-1).columns == ["color", "size"]
    assert read_table(io.BytesIO(b"a;b\n1;2\n"), separator=",", header=True).columns == ["a;b"]


def test_a_large_file_is_read_whole():
    m = 30_000
    text = lines(
        HEADER, np.arange(m) / 8, np.arange(m), [f'"{k % 7},{k}"' for k in range(m)], ["u", "v"] * (m // 2)
    )
    table = read_table(io.BytesIO(text.encode()), target="animal")
    assert len(table) == m
    assert table.frame["color"][m - 1] == f"{(m - 1) % 7},{m - 1}"
    np.testing.assert_array_equal(table.frame["size"].cast(pl.Float64), np.arange(m) / 8)


def test_the_cases_are_many():
    assert len(CASES) >= 40
    assert {len(SIZES), len(COUNTS), len(WORDS)} == {24}
