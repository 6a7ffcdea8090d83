"""Table files: what is read is what was written."""

import gzip
import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpunet.datasets.table_files import read_table
from gpunet.tables import TableEncoder, Target, text
from messy_tables import CASES, COUNTS, HEADER, PLAIN, SIZES, WORDS, frame, lines, write


def check(case, table):
    """What must come out of a case: its columns, kinds and values, and its target."""
    encoder, target = TableEncoder("standard").fit(table), Target().fit(table)
    kinds = {state["name"]: state["kind"] for state in encoder.to_state()[0]["columns"]}
    assert kinds == case.kinds
    assert encoder.left_out == case.left_out
    assert table.columns == list({**kinds, **case.left_out}) or set(table.columns) == {*kinds, *case.left_out}
    X = encoder.transform(table, "float64")
    for name, expected in case.values.items():
        column = X[:, encoder.feature_names.index(name)]
        known = np.array([value is not None for value in expected])
        values = np.array([value for value in expected if value is not None], float)
        np.testing.assert_allclose(column[known], (values - values.mean()) / values.std(), atol=1e-12)
        np.testing.assert_array_equal(column[~known], 0.0)
        if not known.all():
            indicator = X[:, encoder.feature_names.index(f"{name} is missing")]
            np.testing.assert_array_equal(indicator, ~known)
    assert target.class_names == case.classes
    assert table.left_out == case.without_target
    decoded = target.decode(target.encode(table))
    if case.classes is None:
        np.testing.assert_allclose(decoded, case.target, rtol=1e-12)
    else:
        assert decoded.tolist() == case.target
    assert len(table) == len(X) == len(case.target)


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


FRAMES = {
    "polars": lambda: frame(),
    "polars, lazy": lambda: frame().lazy(),
    "pyarrow": lambda: frame().to_arrow(),
    "pandas": lambda: pd.DataFrame(frame().to_dict(as_series=False)),
    "pandas, object": lambda: pd.DataFrame(frame().to_dict(as_series=False)).astype(object),
    "pandas, nullable": lambda: pd.DataFrame(frame().to_dict(as_series=False)).convert_dtypes(),
    "pandas, categorical": lambda: pd.DataFrame(frame().to_dict(as_series=False)).astype(
        {"color": "category", "animal": "category"}
    ),
    "polars, categorical": lambda: frame().with_columns(pl.col("color").cast(pl.Categorical)),
    "dict": lambda: frame().to_dict(as_series=False),
    "dict of arrays": lambda: {name: np.array(cells) for name, cells in frame().to_dict().items()},
}


@pytest.mark.parametrize("name", FRAMES)
def test_dataframes_of_any_library(name):
    check(CASES["plain"], read_table(FRAMES[name](), target="animal"))


def test_every_format_gives_the_same_inputs(tmp_path):
    tables = [
        read_table(write(CASES[name], tmp_path), target="animal") for name in ("plain", "Parquet", "UTF-16")
    ]
    tables += [read_table(make(), target="animal") for make in FRAMES.values()]
    expected = TableEncoder().fit(tables[0]).transform(tables[0])
    for table in tables:
        np.testing.assert_array_equal(TableEncoder().fit(table).transform(table), expected)
        np.testing.assert_array_equal(TableEncoder().fit(tables[0]).transform(table), expected)


def test_nullable_columns_keep_large_integers_and_missing_cells():
    big = pd.DataFrame(
        {
            "a": pd.array([1, None, 3], dtype="Int64"),
            "b": pd.array([True, None, False], dtype="boolean"),
            "c": pd.Categorical(["x", None, "y"]),
            "t": pd.array([2**60 + 1, 2**60, 2**60 + 1], dtype="Int64"),
        }
    )
    table = read_table(big, target="t")
    encoder = TableEncoder("standard").fit(table)
    assert encoder.feature_names == ["a", "a is missing", "b", "b is missing", "c=x", "c=y", "c is missing"]
    np.testing.assert_allclose(
        encoder.transform(table), [[-1, 0, 1, 0, 1, 0, 0], [0, 1, 0.5, 1, 0, 0, 1], [1, 0, 0, 0, 0, 1, 0]]
    )
    assert Target("classes").fit(table).class_names == (str(2**60), str(2**60 + 1))


def test_a_missing_target_of_a_nullable_column_is_left_out():
    for labels in (
        pd.array([1, None, 2], dtype="Int64"),
        pd.Categorical(["a", None, "b"]),
        [1.0, np.nan, 2.0],
    ):
        table = read_table(pd.DataFrame({"x": [1, 2, 3], "t": labels}), target="t")
        assert (len(table), table.left_out) == (2, 1)
        assert table.frame["x"].to_list() == [1, 3]


def test_pyarrow_dictionaries_and_decimals():
    data = pa.table(
        {
            "c": pa.array(["u", "v", "u"]).dictionary_encode(),
            "d": pa.array([1, 2, 3], pa.decimal128(5, 2)),
            "l": [[1], [2], [3]],
        }
    )
    encoder = TableEncoder("standard").fit(read_table(data))
    assert encoder.feature_names == ["c=u", "c=v", "d"]
    assert encoder.left_out == {"l": "type List(Int64)"}


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
    assert read_table(io.BytesIO(b"sep=;\na;b\n1;2\n")).lines.tolist() == [3]


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


BAD = {
    "short row": ("a,b\n1,2\n3\n", {}, r"t.csv, line 3: expected 2 cells as in the first line, got 1"),
    "long row": ("a,b\n1,2\n\n3,4,5\n6,7\n", {}, "line 4: expected 2 cells .* got 3"),
    "duplicate names": ("a,b,a\n1,2,3\n", {}, "expected columns of different names, 2 are called 'a'; rename them"),
    "two without a name": (",,b\n1,2,3\n", {}, "2 have no name"),
    "empty": ("", {}, "is empty: expected a table"),
    "blank": ("\n \n", {}, "is empty"),
    "header only": ("a,b\n", {}, "has a header and no rows"),
    "unknown target": ("width,kind\n1,2\n", {"target": "knd"}, "no column 'knd': it has width, kind; did you mean"),
    "number beyond": ("a,b\n1,2\n", {"target": 5}, "2 columns, numbered from 0 to 1; got number 5"),
    "no feature": ("a\n1\n2\n", {"target": "a"}, "at least one feature column beside the target 'a'"),
    "the target to be dropped": (
        "a,b\n1,2\n", {"target": "b", "drop": ["b"]}, "'b' is the target, and is to be dropped"
    ),
    "dropped target": ("a,b\n1,2\n", {"columns": ["a"], "drop": ["a"]}, "'a' is asked for as a feature, and"),
    "open quote": ('a,b\n1,"2\n', {}, "line 2: expected quotation marks around whole cells"),
    "text after a quote": ('a,b\n1,"x" y\n', {}, "line 2: expected quotation marks"),
    "separator": ("a,b\n1,2\n", {"separator": ",,"}, "separator must be one ASCII character"),
    "no targets": ("a,b\n1,NA\n2,?\n", {"target": "b"}, "all of its 2 cells are missing"),
    "kind": ("a,b\n1,2\n", {"target": "b", "kind": "value"}, "Did you mean 'values'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_errors_say_what_came_and_what_to_do(name, tmp_path):
    text, options, message = BAD[name]
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_table(path, **options)


def test_errors_of_files(tmp_path):
    path = tmp_path / "t.csv"
    with pytest.raises(FileNotFoundError, match="is not a file"):
        read_table(path)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_table(tmp_path)
    for data, message in {
        gzip.compress(PLAIN.encode())[:-9]: "damaged or cut short",
        CASES["Parquet"].data[:-9]: "expected a whole Parquet or Arrow file",
        CASES["Arrow"].data[:-99]: "expected a whole Parquet or Arrow file",
        b"FEA1 and more": "got version 1",
        b"PK\x03\x04 and more": "an Excel workbook",
        b"\x00\x01\x02\x03" * 50: "bytes that are no text",
        b"\xff\xfe1\x002": "expected utf-16-le text",
    }.items():
        path.write_bytes(data)
        with pytest.raises(ValueError, match=message):
            read_table(path)
    with pytest.raises(TypeError, match="opened for bytes"):
        read_table(io.StringIO(PLAIN))
    with pytest.raises(TypeError, match="expected a path, a binary file or a DataFrame, got list"):
        read_table([[1, 2]])
    with pytest.raises(TypeError, match="name or number"):
        read_table(frame(), target=1.5)


@pytest.mark.parametrize("setting", [{"separator": ";"}, {"header": True}])
def test_settings_of_text_are_refused_where_there_is_none(tmp_path, setting):
    rows = pl.DataFrame({"a": [1, 2], "b": [3, 4]})
    rows.write_parquet(tmp_path / "t.parquet")
    rows.write_ipc(tmp_path / "t.arrow")
    name = next(iter(setting))
    for data in (tmp_path / "t.parquet", tmp_path / "t.arrow", rows, {"a": [1, 2]}, read_table(rows)):
        with pytest.raises(ValueError, match=f"^{name} goes with text files, and .* is none: leave it out"):
            read_table(data, **setting)


def test_duplicate_names_of_dataframes_are_refused():
    twice = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])
    with pytest.raises(ValueError, match="2 are called 'a'"):
        read_table(twice)
    with pytest.raises(ValueError, match="2 are called 'a'"):
        read_table(pa.table([[1], [2]], names=["a", "a"]))
    file = io.BytesIO()
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), file)
    with pytest.raises(ValueError, match=r"columns of different names, got one .*'a' has more than one"):
        read_table(io.BytesIO(file.getvalue()))
    with pytest.raises(ValueError, match="2 are called '0'"):
        read_table(pd.DataFrame([[1, 2]], columns=[0, "0"]))
    with pytest.raises(ValueError, match="equal length"):
        read_table({"a": [1], "b": [1, 2]})


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


def test_a_gzip_file_that_holds_far_more_than_text(tmp_path, monkeypatch):
    """Whatever its name."""
    monkeypatch.setattr(text, "SMALL", 100_000)
    path = tmp_path / "table.csv"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000))
    with pytest.raises(ValueError, match=r"holds more than .*gunzip"):
        read_table(path, target="b")
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 20_000))
    assert len(read_table(path, target="b")) == 20_000
    monkeypatch.setattr(text, "RATIO", 10**6)
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 100_000))
    assert len(read_table(path, target="b")) == 100_000


@pytest.mark.parametrize("ending", ["parquet", "arrow", "feather"])
def test_a_text_that_is_called_parquet(ending, tmp_path):
    path = tmp_path / f"t.{ending}"
    path.write_text(PLAIN)
    with pytest.raises(ValueError, match=f"expected a file that begins as .{ending} files do; it is damaged"):
        read_table(path)


def test_wrong_types_of_settings(tmp_path):
    (tmp_path / "t.csv").write_text(PLAIN)
    with pytest.raises(TypeError, match="header must be True or False, got 'no'"):
        read_table(tmp_path / "t.csv", header="no")
    with pytest.raises(ValueError, match=r"separator must be one ASCII character .*, got \[','\]"):
        read_table(tmp_path / "t.csv", separator=[","])
    for missing in (-999, [-999], True):
        with pytest.raises(TypeError, match=r"missing must be words such as '-999' or \['\?', 'NA'\], got "):
            read_table(tmp_path / "t.csv", missing=missing)
    for drop in (1.5, None, True, [1.5]):
        with pytest.raises(TypeError, match="a column is named by its name or number, got "):
            read_table(tmp_path / "t.csv", drop=drop)


def test_files_of_another_kind_say_what_reads_them(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((3, 2)))
    np.savez(tmp_path / "X.npz", X=np.ones((3, 2)))
    for name in ("X.npy", "X.npz"):
        with pytest.raises(ValueError, match=r"got arrays of NumPy; read them with gpunet\.datasets\.load$"):
            read_table(tmp_path / name)
    for page in ("<!DOCTYPE html>\n<html></html>", "\n<html lang='en'>", "<HTML>"):
        (tmp_path / "t.csv").write_text(page)
        with pytest.raises(ValueError, match=r"got a web page \(HTML\); download the file itself"):
            read_table(tmp_path / "t.csv")
    for written in ('[{"a": 1},\n {"a": 2}]', '{"a": [1, 2]}\n'):
        (tmp_path / "t.csv").write_text(written)
        with pytest.raises(ValueError, match=r"got JSON; read it with pandas\.read_json"):
            read_table(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"^https://x\.org/a\.csv is an address: download the file first"):
        read_table("https://x.org/a.csv")
