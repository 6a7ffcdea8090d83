"""Whether the first line names the columns: each condition of the rule, and its bounds."""

import pytest

from gpunet.tables.header import has_header


@pytest.mark.parametrize(
    ("first", "rows", "expected"),
    [
        # Words alone, unless all of them occur again.
        (["a", "b"], [["1", "x"]], True),
        (["a", "b"], [["b", "a"], ["a", "b"]], False),
        (["a", "b"], [["b", "c"], ["a", "c"]], True),
        (["", ""], [["b", "b"]], True),
        # A word above a column of numbers; missing cells do not count.
        (["1", "x"], [["5", "2"], ["6", "NA"]], True),
        (["1", "x"], [["5", "2"], ["6", "y"]], False),
        (["1", "x"], [["5", "x"], ["6", "y"]], False),
        # Numbers that count up, and a word that does not occur in its column, whose words recur.
        (["1", "2", "kind"], [["4", "3", "a"], ["6", "2", "a"]], True),
        (["1", "2", "kind"], [["4", "3", "a"], ["6", "2", "b"]], False),
        (["1", "2", "a"], [["4", "3", "a"], ["6", "2", "a"]], False),
        (["1", "3", "kind"], [["4", "3", "a"], ["6", "2", "a"]], False),
        # Names of rows, below a first cell that alone is empty.
        (["", "1.5", "2.5"], [["r", "1", "2"], ["s", "3", "4"]], True),
        (["", "1.5", "2.5"], [["r", "1", "2"], ["r", "3", "4"]], False),
        (["", "1.5", "1.5"], [["r", "1", "2"], ["s", "3", "4"]], False),
        (["", "1.5", "2.5"], [["r", "1", "2"]], False),
        (["", "1.5"], [["r", "1"], ["s", "2"]], False),
        # From 0: three numbers or more, or beside an unnamed first column.
        (["0", "1", "2"], [["5", "6", "7"]], True),
        (["0", "2", "7"], [["5", "6", "7"]], False),
        (["0", "1", "2"], [["", "NA", ""]], False),
        (["0", "1"], [["5", "6"]], False),
        (["", "0", "1"], [["r", "5", "6"], ["r", "1", "2"]], True),
        (["", "0", "1", ""], [["r", "5", "6", "x"], ["r", "1", "2", "y"]], False),
        # From 0 or 1 above columns that do not hold whole numbers.
        (["0", "1"], [["0.5", "1.5"]], True),
        (["1", "2"], [["0.5", "1.5"]], True),
        (["1", "2"], [["0.5", "1"]], False),
        (["2", "3"], [["0.5", "1.5"]], False),
        (["1"], [["0.5"], ["2.5"]], False),
        # Years, two or more, that no cell below continues.
        (["1800", "1801"], [["1", "2"]], True),
        (["2199", "2200"], [["1", "2"]], True),
        (["1799", "1800"], [["1", "2"]], False),
        (["2200", "2201"], [["1", "2"]], False),
        (["2023", "2024"], [["1", "2025"]], False),
        (["2023", "2025"], [["1", "2"]], False),
        (["2023"], [["1"], ["2"]], False),
    ],
)
def test_the_rule(first, rows, expected):
    assert bool(has_header(first, rows, (), ".")) is expected


def test_a_number_that_is_asked_for_makes_no_header():
    rows = [["5.5", "2.5"], ["6.5", "3.5"]]
    assert not has_header(["1.5", "2.5"], rows, ["1.5"], ".")
    assert not has_header(["1.5", "2.5"], rows, [1], ".")
    assert has_header(["1.5", "x"], [["5.5", "x"]], ["x"], ".")
