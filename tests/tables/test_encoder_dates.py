"""Columns of dates and times of day: how they are read, and the inputs that they become."""

import numpy as np
import polars as pl
import pytest

from gpunet.tables import TableEncoder


def test_dates_are_a_trend_and_places_where_they_vary():
    days = {"d": [f"2024-{month:02d}-15" for month in range(1, 13)]}
    assert TableEncoder().fit(days).feature_names == [
        "d trend",
        *("d sine of year", "d cosine of year", "d sine of week", "d cosine of week"),
    ]
    hour = {"d": [f"2024-05-01 12:{minute:02d}" for minute in range(60)]}
    assert TableEncoder().fit(hour).feature_names == ["d trend", "d sine of day", "d cosine of day"]
    clock = TableEncoder().fit({"t": ["0:00", "6:00", "12:00", "18:00"]})
    assert clock.feature_names == ["t trend", "t sine of day", "t cosine of day"]
    np.testing.assert_allclose(clock.transform({"t": ["6:00", "18:00"]})[:, 1:], [[1, 0], [-1, 0]], atol=1e-6)
    weekly = {"d": ["2024-01-01", "2024-01-08", "2024-01-15"]}
    X = TableEncoder("standard").fit_transform({"d": weekly["d"]})
    np.testing.assert_allclose(X[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)], rtol=1e-6)
    assert not any("week" in name for name in TableEncoder().fit(weekly).feature_names)


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01-31", "2024-02-01", "2024-12-24"],
        ["2024/01/31", "2024/02/01", "2024/12/24"],
        ["31.01.2024", "01.02.2024", "24.12.2024"],
        ["31.1.2024", "1.2.2024", "24.12.2024"],
        ["01/31/2024", "02/01/2024", "12/24/2024"],
        ["31/01/2024", "01/02/2024", "24/12/2024"],
        ["31 Jan 2024", "1 Feb 2024", "24 Dec 2024"],
        ["31-Jan-24", "1-Feb-24", "24-Dec-24"],
        ["1/31/24", "2/1/24", "12/24/24"],
        ["31/1/24 0:00", "1/2/24 0:00", "24/12/24 0:00"],
        ["Jan 31, 2024", "Feb 1, 2024", "Dec 24, 2024"],
        ["2024-01-31T00:00:00Z", "2024-02-01T00:00:00Z", "2024-12-24T00:00:00Z"],
        ["2024-01-31 00:00:00.5", "2024-02-01 00:00:00.5", "2024-12-24 00:00:00.5"],
        ["2024-01-31 02:00+02:00", "2024-02-01 00:00+00:00", "2024-12-23 22:00-02:00"],
        ["01/31/2024 12:00 AM", "02/01/2024 12:00 AM", "12/24/2024 12:00 AM"],
    ],
)
def test_dates_are_read_in_every_way_they_are_written(cells):
    expected = pl.Series("d", ["2024-01-31", "2024-02-01", "2024-12-24"]).str.to_date()
    encoder = TableEncoder("standard").fit({"d": cells})
    assert encoder.describe()[0].startswith("dates: d")
    np.testing.assert_allclose(
        encoder.transform({"d": cells}), TableEncoder("standard").fit_transform({"d": expected}), atol=1e-5
    )
    typed = expected.dt.offset_by("500ms") if ".5" in cells[0] else expected
    if ".5" not in cells[0]:
        np.testing.assert_allclose(
            encoder.transform({"d": typed}), encoder.transform({"d": cells}), atol=1e-6
        )


@pytest.mark.parametrize(
    "cells",
    [["12-34", "56-78"], ["1.2.3", "1.2.4"], ["24-01-31", "24-02-01"], ["a:30", "b:10"], ["1/2", "3/4"]],
)
def test_what_only_looks_like_a_date_is_none(cells):
    assert TableEncoder().fit({"d": cells}).describe() == ["categories: d (2 values)"]
