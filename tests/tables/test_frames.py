"""Columns as people hand them over: every library's, and Python objects, keep what their cells mean."""

import array
import datetime
import decimal
import uuid
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gpunet.tables import TableEncoder
from gpunet.tables.frames import from_objects, python_objects, to_polars, to_series

FRAMES = (pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table)
BIG = [2**60 + 1, 2**60, None, 2**60 + 1]
DAYS = [datetime.datetime(2024, 1, 31, 12, 30), datetime.datetime(2024, 5, 1), datetime.datetime(2024, 7, 9)]


def described(cells):
    """How one column is understood, beside a column of numbers."""
    return TableEncoder().fit({"c": cells, "x": np.arange(len(cells))}).describe()


@pytest.mark.parametrize(
    "made",
    [
        list,
        pa.array,
        lambda cells: pa.chunked_array([cells[:1], cells[1:]]),
        lambda cells: pd.Series(cells, dtype="Int64"),
        lambda cells: pd.Series(cells, dtype="int64[pyarrow]"),
        lambda cells: pd.Series(cells, dtype=object),
        lambda cells: pl.Series(cells, dtype=pl.Int64),
    ],
)
def test_large_integers_beside_a_missing_cell_are_exact(made):
    """As a column of a dict, and of a DataFrame."""
    assert to_series("c", made(BIG)).to_list() == BIG
    assert to_polars({"c": made(BIG)}, "t")["c"].to_list() == BIG
    if isinstance(made(BIG), pd.Series):
        assert to_polars(pd.DataFrame({"c": made(BIG)}), "t")["c"].to_list() == BIG


@pytest.mark.parametrize("numbers", [[3, 1, 3], [3.0, 1.0, 3.0]])
def test_categories_of_every_library_stay_categories(numbers):
    words = [str(int(number)) for number in numbers]
    for cells in (
        pd.Series(numbers, dtype="category"),
        pd.Series(pd.Categorical(numbers)),
        pl.Series(words, dtype=pl.Categorical),
        pl.Series(words, dtype=pl.Enum(["1", "2", "3"])),
        pa.array(words).dictionary_encode(),
        pa.chunked_array([pa.array(words).dictionary_encode()]),
    ):
        assert described(cells)[-1] == "categories: c (2 values)"


@pytest.mark.parametrize(
    "made",
    [
        lambda cells: np.array(cells, object),
        lambda cells: pd.DataFrame({"c": cells}),
        lambda cells: pl.DataFrame({"c": cells}),
        lambda cells: pl.DataFrame({"c": cells}).lazy(),
        lambda cells: pa.table({"c": cells}),
        pd.Series,
        pl.Series,
        pa.array,
    ],
)
def test_blanks_around_words_do_not_count(made):
    made = made(["a ", " a", "", "  ", "b", None])
    frame = to_polars(made if isinstance(made, FRAMES) else {"c": made}, "t")
    assert frame["c"].to_list() == ["a", "a", None, None, "b", None]


def test_columns_that_do_not_go_together():
    with pytest.raises(ValueError, match=r"^t: expected columns of different names, 2 are called '0'"):
        to_polars({0: [1], "0": [2]}, "t")
    with pytest.raises(ValueError, match=r"^t: expected columns of equal length, got {'a': 2, 'b': 1}"):
        to_polars({"a": [1, 2], "b": [1]}, "t")
    with pytest.raises(ValueError, match=r"'x' must be one column \(m,\), got shape \(2, 3\)"):
        to_series("x", np.zeros((2, 3)))
    for columns in (np.zeros((2, 3)), pd.DataFrame(np.zeros((2, 3)))):
        with pytest.raises(ValueError, match=r"^table: 'x' must be one column \(m,\), got shape \(2, 3\)"):
            TableEncoder().fit({"x": columns})
    with pytest.raises(TypeError, match=r"^t: expected a DataFrame, got list"):
        to_polars([1, 2], "t")


@pytest.mark.parametrize("made", [dict, pd.DataFrame, pl.DataFrame, pa.table])
def test_a_table_without_columns(made):
    assert to_polars(made({}), "t").shape == (0, 0)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int64", "uint64", "float16", "float32", ">f8", ">i4"]
)
def test_numbers_of_every_dtype(dtype):
    values = np.array([1, 0, 1, 0], dtype)
    for cells in (values, list(values), pd.Series(values), pd.DataFrame({"x": values})["x"]):
        numbers = to_series("x", cells)
        assert numbers.dtype.is_numeric() or dtype == "bool"
        assert numbers.cast(pl.Float64).to_list() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    "cells", [array.array("d", [0, 3, 6]), range(0, 7, 3), np.arange(9)[::3], (0, 3.0, 6)]
)
def test_numbers_in_other_sequences(cells):
    assert to_series("x", cells).to_list() == [0, 3, 6]


@pytest.mark.parametrize("unit", ["D", "h", "s", "ms", "us", "ns"])
def test_dates_of_numpy_are_dates(unit):
    """Whatever their unit: datetime64[ns], pandas' own, has no Python object."""
    days = np.array(DAYS, "datetime64[us]").astype(f"datetime64[{unit}]")
    expected = [
        None if cell is None else datetime.datetime.fromisoformat(cell)
        for cell in (*np.datetime_as_string(days, "s").tolist(), None)
    ]
    with_gap = np.append(days, np.datetime64("NaT", unit))
    for cells in (with_gap, list(with_gap)):
        found = to_series("d", cells)
        assert found.cast(pl.Datetime("us")).to_list() == expected
    assert described(with_gap)[1].startswith("dates: c")


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_durations_of_numpy_are_numbers_of_seconds(unit):
    cells = np.array([90, 30, "NaT"], "timedelta64[s]").astype(f"timedelta64[{unit}]")
    for values in (
        cells,
        list(cells),
        [datetime.timedelta(seconds=90), datetime.timedelta(seconds=30), None],
    ):
        encoder = TableEncoder("standard").fit({"t": values})
        assert encoder.transform({"t": values}).tolist() == [[1, 0], [-1, 0], [0, 1]]
        assert encoder.transform({"t": [60, 120]})[:, 0].tolist() == [0, 2]


def test_numbers_among_which_one_type_would_round():
    """An integer beyond 2**53 beside floats."""
    encoder = TableEncoder(kinds={"c": "category"})
    assert encoder.fit({"c": [2**53 + 1, 2**53, 0.5]}).feature_names == [
        *("c=0.5", f"c={2**53}", f"c={2**53 + 1}")
    ]
    assert from_objects("x", [2**53 + 1, 0.5]).to_list() == [str(2**53 + 1), "0.5"]
    assert from_objects("x", [2**53, 0.5, None]).to_list() == [2.0**53, 0.5, None]
    assert from_objects("x", [-(2**53) - 1, 0.5]).to_list() == [str(-(2**53) - 1), "0.5"]
    assert from_objects("x", [2**53 + 1, 2]).to_list() == [2**53 + 1, 2]
    assert from_objects("x", [2**64, 2]).to_list() == [str(2**64), "2"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([True, None, False], pl.Series([True, None, False])),
        ([datetime.date(2024, 1, 2), None], pl.Series([datetime.date(2024, 1, 2), None])),
        ([datetime.time(1, 2), None], pl.Series([datetime.time(1, 2), None])),
        ([None, decimal.Decimal("1.25")], pl.Series([None, decimal.Decimal("1.25")])),
        ([None, None], pl.Series([None, None], dtype=pl.Int64)),
        ([1, "a", None], pl.Series(["1", "a", None])),
        ([True, 1, 2.5], pl.Series(["True", "1", "2.5"])),
        ([uuid.UUID(int=1), "a"], pl.Series([str(uuid.UUID(int=1)), "a"])),
    ],
)
def test_objects_of_one_type_and_of_several(cells, expected):
    found = from_objects("c", cells)
    assert found.dtype == expected.dtype and found.to_list() == expected.to_list()


@pytest.mark.parametrize(
    "cell", [[1, 2], (1, 2), {1: 2}, {1, 2}, b"12", np.array([1, 2]), np.array([[1.0]]), np.array(["a"])]
)
def test_cells_that_hold_several_things_become_no_input(cell):
    for cells in ([cell, cell, None], np.array([cell, cell, None, 0], object)[:3]):
        encoder = TableEncoder().fit({"c": cells, "x": [1, 2, 4]})
        assert encoder.left_out == {"c": "type Object"}
    frame = pd.DataFrame({"c": pd.Series([cell, cell, None], dtype=object), "x": [1, 2, 4]})
    assert TableEncoder().fit(frame).left_out == {"c": "type Object"}


def test_lists_of_pyarrow_become_no_input():
    for cells in (pa.array([[1], [2]]), pa.chunked_array([[[1], [2]]])):
        assert TableEncoder().fit({"c": cells, "x": [1, 2]}).left_out == {"c": "type List(Int64)"}


def test_objects_are_pythons():
    cells = [
        None,
        float("nan"),
        np.float32("nan"),
        np.float64("nan"),
        pd.NA,
        pd.NaT,
        np.datetime64("NaT", "D"),
    ]
    cells += [np.datetime64("NaT", "ns"), np.timedelta64("NaT", "ns"), np.array(float("nan"))]
    assert python_objects(cells) == [None] * len(cells)
    cells = [np.int8(3), np.float32(0.5), np.bool_(True), np.str_("a"), np.array(7), "b", 1.5]
    assert [*map(type, python_objects(cells))] == [int, float, bool, str, int, str, float]
    assert python_objects(cells) == [3, 0.5, True, "a", 7, "b", 1.5]
    assert python_objects([np.datetime64("2024-05-01T10:00", "ns")]) == [datetime.datetime(2024, 5, 1, 10)]


def test_decimals_of_pandas_are_exact():
    """With a missing cell and without."""
    for cells in ([decimal.Decimal("1.25"), decimal.Decimal("-3.5")], [decimal.Decimal("1.25"), None]):
        frame = pd.DataFrame({"d": pd.array(cells, dtype=pd.ArrowDtype(pa.decimal128(6, 2)))})
        assert to_polars(frame, "t")["d"].to_list() == cells


ZONE = ZoneInfo("Europe/Berlin")
UTC = [
    datetime.datetime(2024, 1, 31, 11, 30),
    datetime.datetime(2024, 4, 30, 22),
    datetime.datetime(2024, 7, 8, 22),
]
WITH_ZONE = {
    "Python": [day.replace(tzinfo=ZONE) for day in DAYS],
    "Python, UTC": [day.replace(tzinfo=datetime.UTC) for day in UTC],
    "Python, offsets": [
        day.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=hours)))
        for day, hours in zip(DAYS, (1, 2, 2), strict=True)
    ],
    "pandas": pd.Series(DAYS).dt.tz_localize("Europe/Berlin"),
    "pandas, offset": pd.to_datetime(pd.Series([f"{day}+00:00" for day in UTC])).dt.tz_convert("+05:30"),
    "pandas, objects": pd.Series([pd.Timestamp(day, tz="Europe/Berlin") for day in DAYS], dtype=object),
    "pandas, PyArrow": pd.Series(
        [day.replace(tzinfo=ZONE) for day in DAYS], dtype=pd.ArrowDtype(pa.timestamp("ns", "Europe/Berlin"))
    ),
    "pyarrow": pa.array([day.replace(tzinfo=ZONE) for day in DAYS], pa.timestamp("ms", "Europe/Berlin")),
    "pyarrow, offset": pa.array([day.replace(tzinfo=ZONE) for day in DAYS], pa.timestamp("us", "+02:00")),
    "text": ["2024-01-31 12:30:00+01:00", "2024-05-01 00:00:00+02:00", "2024-07-09 00:00:00+02:00"],
    "text, UTC": [f"{day}Z" for day in UTC],
    "without a zone": UTC,
}


@pytest.mark.parametrize("trained", ["pandas", "text", "without a zone"])
@pytest.mark.parametrize("given", WITH_ZONE)
def test_moments_with_a_time_zone_count_in_utc(trained, given):
    """Typed or as text: what a network learned from a DataFrame holds for the CSV file that is made of it."""
    encoder = TableEncoder("standard").fit({"d": WITH_ZONE[trained]})
    assert encoder.feature_names[-1] == "d cosine of day"
    expected = encoder.transform({"d": UTC})
    np.testing.assert_allclose(encoder.transform({"d": WITH_ZONE[given]}), expected, atol=1e-6)
    if isinstance(WITH_ZONE[given], pd.Series):
        frame = pd.DataFrame({"d": WITH_ZONE[given]})
        np.testing.assert_allclose(encoder.transform(frame), expected, atol=1e-6)
