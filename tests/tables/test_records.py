"""Quotation marks in delimited text, against the module csv."""

import csv
import io

import pytest

from gpunet.datasets import read_table
from gpunet.tables.records import records


def read(text, **options):
    return read_table(io.BytesIO(text.encode()), **options)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "text",
    [
        'x,y,z\na "b,c",1\n',  # a mark inside of a cell quotes nothing
        'x"y,z",w\n1,2,3\n',
        'x,y\n6" nail,"a,b"\n"7"" nail",c\n',
        'x,y\n1,"b"',
        '"x","y"\n"1","b,""c"""',
        'x,y\n1, "a, b"\n',
        'x,y\n"a\nb",6" nail\n"c,d",e\n',
    ],
)
def test_quotation_marks_are_read_as_csv_reads_them(separator, text):
    text = text.replace(",", separator)
    expected = list(csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True))
    table = read(text, separator=separator, header=True)
    assert [table.columns, *map(list, table.frame.rows())] == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [('a,b\n1,"x"y', 2), ('"x" y,b\n1,2\n', 1), ('a,"b\n1,2\n', 1), ('a,b\n"1\n2",3\n4,"5" 6\n', 4)],
)
def test_the_line_of_a_wrong_mark_is_named(text, line):
    before = csv.field_size_limit()
    with pytest.raises(ValueError, match=rf", line {line}: expected quotation marks around whole cells"):
        read(text, header=True)
    assert csv.field_size_limit() == before


def test_long_cells_inside_of_which_there_are_marks():
    before = csv.field_size_limit()
    long = "x" * (2 * before) + '"'
    assert read(f"a,b\n{long},1\n").frame.rows() == [(long, "1")]
    assert csv.field_size_limit() == before


def test_records_side_by_side_and_apart():
    found = records(b'a,b\n1,"x\ny"\n3,4', ",", "t")
    assert (found.starts.tolist(), found.ends.tolist()) == ([0, 4, 12], [3, 11, 15])
    assert (found.cells.tolist(), found.lines.tolist()) == ([2, 2, 2], [1, 2, 4])
    assert found.joined() == b'a,b\n1,"x\ny"\n3,4\n'
    assert [found.bytes_of(k) for k in range(3)] == [b"a,b", b'1,"x\ny"', b"3,4"]
    assert found.take(found.lines != 2).joined() == b"a,b\n3,4\n"
    assert found.take(found.lines < 0).joined() == b""
    assert len(records(b"", ",", "t").starts) == 0 and len(records(b"a\n", ",", "t").starts) == 1


@pytest.mark.parametrize("mark", ['6" nail', "6 nails"])
def test_lines_are_those_of_the_file(mark):
    """Blank lines and those inside of quotation marks count, whichever way the text is read."""
    table = read(f'x,y\n"a\nb",{mark}\n\n""\n"c,d",e\n')
    assert table.lines.tolist() == [2, 6]
    assert table.frame.rows() == [("a\nb", mark), ("c,d", "e")]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('"a,b",c', [["a,b", "c"]]),  # marks at the beginning of the text
        ('c,"a,b"', [["c", "a,b"]]),  # and at its end
        ('"a,b"', [["a,b"]]),
        ('x"y,z",w', [['x"y', 'z"', "w"]]),  # at the second byte
        ('"a,b",1\n2,""\n', [["a,b", "1"], ["2", ""]]),
        ('"",""\n', [["", ""]]),
    ],
)
def test_marks_at_the_ends(text, cells):
    found = records(text.encode(), ",", "t")
    assert [next(csv.reader([found.bytes_of(k).decode()])) for k in range(len(found.starts))] == cells
    assert found.cells.tolist() == [len(row) for row in cells]
    assert list(csv.reader(io.StringIO(text))) == cells


@pytest.mark.parametrize("text", ['a,"b"c', '"a"b', '"a"b,"c"'])
def test_wrong_marks_at_the_ends(text):
    with pytest.raises(ValueError, match=r"^t, line 1: expected quotation marks around whole cells"):
        records(text.encode(), ",", "t")
