"""Table files that cannot be read: what came, where, and what to do."""

import gzip
import io

import numpy as np
import polars as pl
import pytest

from gpunet.datasets.table_files import read_table
from gpunet.tables import text
from messy_tables import CASES, PLAIN, frame

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
