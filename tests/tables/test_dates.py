"""Dates and times of day, against Python's own datetime."""

import datetime
import math

import numpy as np
import polars as pl
import pytest

from gpunet.tables import TableEncoder
from gpunet.tables.dates import date_format, time_format, to_seconds, to_seconds_of_day

OFFSETS = [
    *("2024-01-31 02:15+05:30", "2024-06-01 23:45-03:30", "1969-12-24 00:00+00:00", "2024-02-29 12:01-11:59"),
    *("2024-12-31 23:59Z", "2024-12-31 23:59+01:00"),
]
MOMENTS = [
    datetime.time(0, 0),
    datetime.time(12, 34, 56, 250_000),
    datetime.time(23, 59, 59, 999_000),
    datetime.time(1, 2),
]


@pytest.mark.parametrize("compact", [False, True])
def test_offsets_from_utc(compact):
    expected = [datetime.datetime.fromisoformat(cell).timestamp() for cell in OFFSETS]
    cells = pl.Series(
        [
            cell[:-3] + cell[-2:] if compact and cell[-3] == ":" and cell[-1] != "Z" else cell
            for cell in OFFSETS
        ]
    )
    assert to_seconds(cells, date_format(cells)).to_list() == expected


def test_local_times_among_those_with_an_offset():
    """Without an offset, as UTC."""
    cells = pl.Series(["2024-05-01 10:00", "2024-05-01 10:00+01:00"])
    ten = datetime.datetime(2024, 5, 1, 10, tzinfo=datetime.UTC).timestamp()
    assert to_seconds(cells, date_format(cells)).to_list() == [ten, ten - 3600]


@pytest.mark.parametrize(
    ("written", "whole"),
    [("%H:%M", 60), ("%H:%M:%S", 1), ("%H:%M:%S.%f", 1e-6), ("%I:%M %p", 60), ("%I:%M:%S %p", 1)],
)
def test_times_of_day(written, whole):
    cells = [moment.strftime(written) for moment in MOMENTS]
    day = datetime.datetime(2024, 5, 1)
    seconds = [
        (datetime.datetime.combine(day, moment) - day).total_seconds() // whole * whole for moment in MOMENTS
    ]
    found = time_format(pl.Series(cells))
    np.testing.assert_allclose(to_seconds_of_day(pl.Series(cells), found).to_list(), seconds, atol=2e-6)
    encoder = TableEncoder("standard").fit({"t": cells})
    scaled = (np.array(seconds) - np.mean(seconds)) / np.std(seconds)
    np.testing.assert_allclose(encoder.transform({"t": cells})[:, 0], scaled, rtol=1e-6)
    with pytest.raises(ValueError, match=r"row 1.*expected times of day as in training, got '25:61'"):
        encoder.transform({"t": [cells[0], "25:61"]})


@pytest.mark.parametrize(
    "cells",
    [
        ["25:10", "12:61"],
        ["+2024-01-31", "+2024-02-01"],
        ["1/31/24T10:00", "2/1/24T10:00"],
        ["2024-02-30", "2024-02-01"],
    ],
)
def test_no_dates_and_no_times(cells):
    assert date_format(pl.Series(cells)) is None and time_format(pl.Series(cells)) is None
    assert TableEncoder().fit({"d": cells}).describe() == ["categories: d (2 values)"]


def test_a_missing_date_has_0_everywhere():
    """And changes nothing of the others."""
    days = [f"2024-{month:02d}-{day:02d}" for month in range(1, 13) for day in (3, 14, 25)]
    whole, gaps = (
        TableEncoder("standard").fit({"d": days}),
        TableEncoder("standard").fit({"d": [*days, None]}),
    )
    waves = [f"d {wave} of {cycle}" for cycle in ("year", "week") for wave in ("sine", "cosine")]
    assert gaps.feature_names == ["d trend", *waves, "d is missing"]
    X = gaps.transform({"d": [*days, None]}, "float64")
    np.testing.assert_allclose(X[:-1, :-1], whole.transform({"d": days}, "float64"), rtol=1e-12)
    assert X[-1].tolist() == [0, 0, 0, 0, 0, 1]
    for k, days_of_cycle in ((1, 365.2425), (3, 7)):
        angle = [
            2 * math.pi * (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days / days_of_cycle
            for day in days
        ]
        np.testing.assert_allclose(
            X[:-1, k : k + 2], np.stack([np.sin(angle), np.cos(angle)], axis=1), atol=1e-9
        )


def test_within_a_second():
    cells = [f"2024-01-31 10:00:00.{part}" for part in ("125", "250", "500")]
    encoder = TableEncoder("robust").fit({"d": cells})
    assert encoder.feature_names == ["d trend"]
    assert encoder.transform({"d": cells}).shape == (3, 1)


def test_the_local_time_of_day_without_the_zone():
    """What the documentation says to do where it matters."""
    local = pl.Series([datetime.datetime(2024, month, 1, 8) for month in range(1, 13)])
    zoned = local.dt.replace_time_zone("Europe/Berlin")
    assert "d sine of day" not in TableEncoder().fit({"d": zoned.dt.replace_time_zone(None)}).feature_names
    assert "d sine of day" in TableEncoder().fit({"d": zoned}).feature_names
