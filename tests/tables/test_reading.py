"""What cells mean, at the bounds of the rule, and cells that are written in another way than in training."""

import datetime

import numpy as np
import polars as pl
import pytest

from gpunet.tables import TableEncoder
from gpunet.tables.left_out import reason_left_out
from gpunet.tables.missing import MISSING
from gpunet.tables.numerals import best_style
from gpunet.tables.reading import Reading, read_cells


@pytest.mark.parametrize(
    ("numbers", "words", "kind"),
    [
        (list(range(21)), ["a", "b", "c"], "number"),  # more than 20 different numbers
        (list(range(21)), ["a", "b", "c"] * 30, "number"),
        (list(range(21)), ["a", "b", "c", "d"], "category"),
        (list(range(20)), ["a", "b"], "category"),
        (list(range(19)), ["a"], "number"),  # one cell of twenty
        (list(range(18)), ["a"], "category"),
        ([1, 2, 3] * 20, ["a"], "category"),  # as many different words as numbers may be
        ([1, 2, 3, 4] * 20, ["a", "b", "c"], "number"),
    ],
)
def test_a_few_words_among_numbers(numbers, words, kind):
    cells = pl.Series("x", [str(number) for number in numbers] + words)
    found = read_cells(cells, MISSING)
    assert found.kind == kind
    assert found.words == (tuple(sorted(set(words))) if kind == "number" else ())
    assert read_cells(cells, MISSING, strict=True).kind == "category"


@pytest.mark.parametrize(
    ("cells", "decimal", "style"),
    [
        *[(["1", "x"], ".", "point"), (["1", "x"], ",", "comma"), (["x"], ".", "point")],
        *[(["1,234", "1"], ".", "thousands"), (["1,234", "1"], ",", "comma"), (["1,23", "1"], ".", "comma")],
    ],
)
def test_the_style_of_numbers(cells, decimal, style):
    assert best_style(pl.Series(cells), decimal)[0] == style


def test_booleans_in_other_ways():
    encoder = TableEncoder().fit({"b": [True, False, True]})
    for cells in (["1", "0"], ["TRUE", "false"], [1, 0], [1.0, 0.0], pl.Series([True, False])):
        assert encoder.transform({"b": cells}).tolist() == [[1], [0]]
    with pytest.raises(ValueError, match="expected booleans as in training, got '2'"):
        encoder.transform({"b": ["2"]})
    numbers = TableEncoder("standard", kinds={"b": "number"}).fit({"b": [True, False]})
    assert numbers.transform({"b": ["1", "0", "0.5"]}).tolist() == [[1], [-1], [0]]
    with pytest.raises(ValueError, match="'b' cannot be read as dates: it holds booleans"):
        TableEncoder(kinds={"b": "date"}).fit({"b": [True, False]})


@pytest.mark.parametrize("value", [False, True])
def test_a_boolean_that_is_always_the_same(value):
    data = {"b": [value, value, None], "x": [1, 2, 4]}
    encoder = TableEncoder().fit(data)
    again = TableEncoder.from_state(*encoder.to_state())
    for one in (encoder, again):
        assert one.feature_names == ["b is missing", "x"]
        assert one.transform({"b": [not value, None], "x": [2, 2]})[:, 0].tolist() == [0, 1]
    assert TableEncoder().fit({"b": [value] * 3, "x": [1, 2, 4]}).left_out == {"b": "constant"}


def test_typed_dates_and_times_later_as_text():
    days = [datetime.date(2024, month, 15) for month in range(1, 13)]
    times = [datetime.time(hour, 30) for hour in range(0, 24, 2)]
    encoder = TableEncoder().fit({"d": days, "t": times})
    expected = encoder.transform({"d": days, "t": times})
    for day, time in (("%Y-%m-%d", "%H:%M"), ("%d.%m.%Y", "%I:%M %p")):
        text = {"d": [one.strftime(day) for one in days], "t": [one.strftime(time) for one in times]}
        np.testing.assert_allclose(encoder.transform(text), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("cells", "reading", "reason"),
    [
        (pl.Series("e", [None, None]), Reading("empty"), "empty"),
        (pl.Series("l", [[1], [2]]), Reading("unsupported", written="List(Int64)"), "type List(Int64)"),
        (pl.Series("x", [1, 2]), Reading("number"), None),
        (pl.Series("id", [2, 1]), Reading("number"), "one value per row"),
        (pl.Series("", [2, 1]), Reading("number"), "row numbers"),
        (pl.Series("id", [2]), Reading("number"), None),
        (pl.Series("", ["2", "1"]), Reading("number"), "row numbers"),
        (pl.Series("", ["2", "1.5"]), Reading("number"), None),
    ],
)
def test_why_a_column_is_left_out(cells, reading, reason):
    assert reason_left_out(cells, reading) == reason
