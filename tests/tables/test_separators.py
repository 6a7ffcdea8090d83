"""Which character separates cells, in text where more than one could."""

import io

import pytest

from gpunet.datasets import read_table
from gpunet.tables.separators import find_separator, one_blank

WIDE = ";".join(f"é{k}" for k in range(30_000))  # a line longer than what decides


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        *[("", ","), ("# a;b\n", ","), ("a", ","), ("a b\n", ","), ("1,2", ","), ("1\t2\n", "\t")],
        # The same number of cells in all lines, or in most.
        ("a;b,c;d\n1,2", ","),
        ("a,b;c,d\n1;2\n3;4", ";"),
        ("a,b\n1,2\n3;4,5\n6\n", ","),
        ("x;y;z\n1,2\n", ";"),
        # Blank lines and comments do not count.
        ("a;b\n\n \n\n1;2\n", ";"),
        ("# a;b;c\n# d;e;f\n1,2\n", ","),
        # Of several, the one that leaves most cells numbers.
        ("1,5;2,5\n3,5;4,5\n", ";"),
        ("x;y,1\nz;w,2\n", ","),
        ("x,y;1\nz,w;2\n", ";"),
        ("1,x|2,y\n3,z|4,w\n", ","),
        ('1;"a,b\nc,d"\n2;"e,f\ng,h"\n', ";"),
        # As many with each of them.
        ("Doe, Jane;Paris\nRoe, Jim;Rome\n", ";"),
        ("a|b,c\nd|e,f\n", "|"),
        ("a\tb;c\nd\te;f\n", "\t"),
        # Blanks, where nothing else separates and more than half of the cells are numbers.
        ("1 2", " "),
        ("1 2\n3 4\n", " "),
        ("a  1  2\n b 3 4\n", " "),
        ("1\n2\n", ","),
        ("a 1\nb 2\n", ","),
        ("1 2\n3\n", ","),
        ("1 ; 2\n3 ; 4\n", ";"),
        ("1,2 3\n4,5 6\n", ","),
        # The beginning decides.
        (WIDE, ";"),
        (f"{WIDE}\n{WIDE}\n", ";"),
        ("1;2\n" * 2000 + "1,2\n" * 3000, ";"),
        ("a;b\n" * 40_000, ";"),
    ],
    ids=lambda value: value[:12],
)
def test_the_separator(text, separator):
    assert find_separator(text.encode()) == separator


@pytest.mark.parametrize("before", range(8))
def test_a_line_that_is_cut_inside_of_a_letter(before):
    """At one of these places."""
    assert find_separator(("x" * before + WIDE).encode()) == ";"


def test_a_line_that_is_cut_does_not_decide():
    """A number so long that the semicolon behind it is not among the bytes that decide."""
    assert find_separator(b"a,b;c\n1,5" + b"0" * 2**17 + b";2\n") == ";"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  1   2 \n3 4  \n\n   5  6", "1 2\n3 4\n\n5 6"),
        ('1  "a  b" \n', '1  "a  b" \n'),
    ],
)
def test_one_blank(text, expected):
    assert one_blank(text.encode()).decode() == expected


def test_a_wide_table():
    names = ",".join(f"é{k}" for k in range(30_000))
    table = read_table(io.BytesIO(f"{names}\n{','.join(['1.5'] * 30_000)}\n".encode()))
    assert table.frame.shape == (1, 30_000) and table.columns[-1] == "é29999"
