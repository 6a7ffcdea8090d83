"""What cells mean, at the bounds of the rule, and cells that are written in another way than in training."""

import datetime
import decimal

import numpy as np
import polars as pl
import pytest

from gpunet.tables import TableEncoder
from gpunet.tables.left_out import reason_left_out
from gpunet.tables.missing import MISSING
from gpunet.tables.numerals import best_style
from gpunet.tables.reading import PLURALS, Misread, Reading, as_text, read_cells


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
        *[(["0,125", "5,000"], ".", "comma"), (["-0.125", "5.000"], ",", "point")],  # no thousands
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


DAY, SECOND = datetime.date(2024, 1, 31), datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        *[(pl.Series([], dtype=pl.String), "empty"), (pl.Series([None, None]), "empty")],
        *[(pl.Series([float("nan")]), "empty"), (pl.Series(["", "NA", "x"]), "category")],
        *[(pl.Series([True, None]), "boolean"), (pl.Series(["TRUE", "false", "NA"]), "boolean")],
        *[(pl.Series(["true", "yes"]), "category"), (pl.Series(["1", "true"]), "category")],
        *[(pl.Series([1], dtype=pl.Int8), "number"), (pl.Series([0.5, float("nan")]), "number")],
        *[(pl.Series([SECOND]), "number"), (pl.Series([decimal.Decimal("1.5"), None]), "number")],
        *[(pl.Series([DAY]), "date"), ([datetime.datetime(2024, 1, 31, 5)], "date")],
        *[(pl.Series([datetime.time(5)]), "time"), (pl.Series(["2024-01-31", "NA"]), "date")],
        *[(pl.Series(["05:30", "NA"]), "time"), (pl.Series(["05:30", "6"]), "category")],
        *[
            (pl.Series(["1"], dtype=pl.Categorical), "category"),
            (pl.Series(["1"], dtype=pl.Enum(["1"])), "category"),
        ],
        *[(pl.Series([[1]]), "unsupported"), (pl.Series([b"1"]), "unsupported")],
        (pl.Series([{"a": 1}]), "unsupported"),
    ],
)
def test_what_a_column_is(cells, kind):
    cells = pl.Series(cells)
    found = read_cells(cells, MISSING)
    assert found.kind == kind
    assert found.written == (str(cells.dtype) if kind == "unsupported" else found.written)


@pytest.mark.parametrize(
    ("cells", "reading", "expected"),
    [
        (pl.Series([1.5 * SECOND, None, -SECOND]), Reading("number"), [1.5, np.nan, -1]),
        (pl.Series([True, None, False]), Reading("number"), [1, np.nan, 0]),
        (
            pl.Series(["1.5", "2", None], dtype=pl.Categorical),
            Reading("number", (), "point"),
            [1.5, 2, np.nan],
        ),
        (pl.Series(["1", "2"], dtype=pl.Enum(["1", "2"])), Reading("number", (), "point"), [1, 2]),
        (pl.Series([decimal.Decimal("1.5"), None]), Reading("number"), [1.5, np.nan]),
        (pl.Series([1.0, float("inf"), float("-inf")]), Reading("number"), [1, np.nan, np.nan]),
        (pl.Series(["1", "-inf", "Infinity"]), Reading("number", (), "point"), [1, np.nan, np.nan]),
        (
            pl.Series(["$1", "$ 2", "NA", "3"]),
            Reading("number", ("NA",), "point", (), "$"),
            [1, 2, np.nan, 3],
        ),
        (pl.Series(["1,5", "2", "n.d."]), Reading("number", (), "comma", ("n.d.",)), [1.5, 2, np.nan]),
        (pl.Series([True, None]), Reading("boolean"), [1, np.nan]),
        (pl.Series([0, 1, None]), Reading("boolean"), [0, 1, np.nan]),
        (pl.Series(["0", "TRUE", "1", "False", "?"]), Reading("boolean", ("?",)), [0, 1, 1, 0, np.nan]),
        (pl.Series([datetime.date(1970, 1, 2), None]), Reading("date"), [86400, np.nan]),
        ([datetime.datetime(1970, 1, 1, 0, 1, 0, 500_000)], Reading("date"), [60.5]),
        (pl.Series(["1970-01-01 00:01", None]), Reading("date"), [60, np.nan]),
        (pl.Series([datetime.time(1, 0, 0, 250_000), None]), Reading("time"), [3600.25, np.nan]),
        (pl.Series(["1:00 AM", "1:00 PM"]), Reading("time"), [3600, 13 * 3600]),
        *[
            (pl.Series([None, None]), Reading(kind), [np.nan] * 2)
            for kind in ("number", "boolean", "date", "time")
        ],
    ],
)
def test_the_numbers_of_a_column(cells, reading, expected):
    """Whatever its type is now; dates in seconds since 1970, times in seconds of the day."""
    np.testing.assert_array_equal(reading.numbers(pl.Series(cells)), expected)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_dates_in_every_unit(unit, zone):
    moment = datetime.datetime(2024, 5, 1, 10, 30, tzinfo=datetime.UTC)
    cells = pl.Series([moment.replace(tzinfo=None)], dtype=pl.Datetime(unit))
    if zone is not None:
        cells = cells.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    assert Reading("date").numbers(cells).tolist() == [moment.timestamp()]


@pytest.mark.parametrize(
    ("cells", "kind", "told"),
    [
        (pl.Series([DAY]), "number", "expected numbers, got a column of Date"),
        (pl.Series([DAY]), "boolean", "expected booleans, got a column of Date"),
        (pl.Series([DAY]), "time", "expected times of day, got a column of Date"),
        (pl.Series([1.5]), "date", "expected dates, got a column of Float64"),
        (pl.Series([None, 1, 2]), "boolean", "expected booleans as in training, got 2"),
        (pl.Series([None, "1", "yes"]), "boolean", "expected booleans as in training, got 'yes'"),
        (pl.Series([None, "1", "x"]), "number", "expected numbers as in training, got 'x'"),
        (
            pl.Series([None, "2024-01-31", "2024-01-32"]),
            "date",
            "expected dates as in training, got '2024-01-32'",
        ),
        (pl.Series([None, "12:30", "25:00"]), "time", "expected times of day as in training, got '25:00'"),
        (pl.Series(["x", "soon"]), "date", "expected dates as in training, got 'x'"),
        (pl.Series(["x", "soon"]), "time", "expected times of day as in training, got 'x'"),
    ],
)
def test_cells_of_another_kind(cells, kind, told):
    written = "point" if kind == "number" else ""
    with pytest.raises(Misread) as caught:
        Reading(kind, (), written).numbers(cells)
    assert str(caught.value) == told
    assert caught.value.row == (None if "column of" in told else 0 if cells[0] == "x" else 2)


@pytest.mark.parametrize(
    ("cells", "kind", "told"),
    [
        (["007", "008"], "date", "it holds categories"),
        (["007", "008"], "time", "it holds categories"),
        (["007", "008"], "boolean", "it holds categories"),
        (["007", "x"], "number", "it holds categories"),
        (["true", "false"], "number", "it holds booleans"),
        (["2024-01-31"], "number", "it holds dates"),
        (["12:30"], "number", "it holds times of day"),
        ([DAY], "number", "it holds dates"),
        ([0, 1], "boolean", "it holds numbers"),
        ([[1], [2]], "number", r"it has the type List(Int64); convert or drop it"),
    ],
)
def test_a_kind_that_the_cells_are_not(cells, kind, told):
    with pytest.raises(ValueError) as caught:
        read_cells(pl.Series("c", cells), MISSING, kind=kind)
    assert str(caught.value) == f"'c' cannot be read as {PLURALS[kind]}: {told}"


@pytest.mark.parametrize("cells", [["007", "8,5"], [1.5], [True], ["2024-01-31"], [DAY], ["x"]])
def test_everything_can_be_categories(cells):
    assert read_cells(pl.Series(cells), MISSING, kind="category") == Reading("category", MISSING)


def test_codes_and_booleans_can_be_numbers():
    assert read_cells(pl.Series(["007", "010"]), (), kind="number") == Reading("number", (), "point")
    assert read_cells(pl.Series(["00,7", "010"]), (), ",", kind="number") == Reading(
        "number", (), "comma", decimal=","
    )
    assert read_cells(pl.Series([True, False]), (), kind="number") == Reading("number", (), "point")


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (pl.Series(["a", None, "1.0"]), ["a", None, "1.0"]),
        (pl.Series([True, None, False]), ["True", None, "False"]),
        (pl.Series([1.0, None, -2.0, -0.0]), ["1", None, "-2", "0"]),
        (pl.Series([1.0, 2.5, None, 0.1]), ["1", "2.5", None, "0.1"]),
        (pl.Series([1e20, 2.0]), ["100000000000000000000", "2"]),
        (pl.Series([2.0**53, 2.0]), [str(2**53), "2"]),
        (pl.Series([float("inf"), 2.0]), ["inf", "2"]),
        (pl.Series([3, None]), ["3", None]),
        (pl.Series([DAY]), ["2024-01-31"]),
    ],
)
def test_cells_as_text(cells, texts):
    assert as_text(cells).to_list() == texts


def test_categories_later_in_another_type():
    """Whole floats, as an integer column with a gap becomes in pandas, are the integers of training."""
    encoder = TableEncoder(kinds={"c": "category"}).fit({"c": [1, 2, 30]})
    for cells in ([30, 1], [30.0, 1.0], ["30", "1"], pl.Series(["30", "1"], dtype=pl.Categorical)):
        assert encoder.transform({"c": cells}).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("count", [400, 501, 1200])
def test_many_and_few_different_cells(count):
    """All of them count."""
    cells = [str(k) for k in range(count)]
    for repeated in (cells, [*cells * 3, "n.d."], cells * 5):
        assert read_cells(pl.Series(repeated), MISSING).kind == "number"
    assert read_cells(pl.Series([*cells * 3, "a", "b", "c", "d"]), MISSING).kind == "category"
    assert read_cells(pl.Series([*cells, "007"]), MISSING).kind == "category"


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_dates_as_categories_in_every_unit_and_zone(unit, zone):
    moments = [datetime.datetime(2024, 5, day, 20, 30) for day in (1, 2, 3)]
    encoder = TableEncoder(kinds={"d": "category"}).fit({"d": moments})
    cells = pl.Series(moments, dtype=pl.Datetime(unit))
    if zone is not None:
        cells = cells.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    assert encoder.transform({"d": cells}).tolist() == np.eye(3).tolist()
