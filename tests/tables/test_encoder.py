"""Columns become inputs by rules, by name, and the same after saving."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from gpunet.tables import TableEncoder

M = 40
MIXED = {
    "size": [round(0.37 * k - 3, 2) if k % 9 else None for k in range(M)],
    "color": [("red", "green", "blue", None)[k % 4] for k in range(M)],
    "city": [f"city {k % 13}" for k in range(M)],
    "wild": [(True, False)[k % 3 == 0] for k in range(M)],
    "day": [f"2024-{1 + k % 12:02d}-{1 + k % 28:02d} {k % 24}:30" for k in range(M)],
    "clock": [f"{k % 24}:15" for k in range(M)],
    "zip": [("02139", "10001")[k % 2] for k in range(M)],
    "unit": ["cm"] * M,
    "id": list(range(M)),
}


def fitted(**options):
    return TableEncoder(one_hot_limit=10, **options).fit(MIXED)


def restored(encoder):
    """The encoder after its state went through JSON and safetensors."""
    description, arrays = encoder.to_state()
    return TableEncoder.from_state(json.loads(json.dumps(description)), load(save(arrays)))


def test_kinds_are_told_apart_and_said():
    encoder = fitted()
    assert encoder.describe() == [
        "numbers: size",
        "categories: color (3 values), city (13 values, coded), zip (2 values)",
        "booleans: wild",
        "dates: day (read as %Y-%m-%d %H:%M)",
        "times of day: clock (read as %H:%M)",
        "missing cells: size (5), color (10)",
        "left out: unit (constant), id (one value per row)",
    ]
    assert encoder.left_out == {"unit": "constant", "id": "one value per row"}
    assert encoder.columns == ["size", "color", "city", "wild", "day", "clock", "zip"]
    X = encoder.transform(MIXED)
    assert X.shape == (M, len(encoder.feature_names)) and X.dtype == np.float32
    assert np.isfinite(X).all()


def test_a_column_without_a_name_is_called_so():
    assert (
        TableEncoder().fit({"": [1, 2], "x": [1, 2]}).describe()[-1]
        == "left out: unnamed column (row numbers)"
    )
    assert TableEncoder().fit({"": [1, 1, 5], "x": [1, 2, 3]}).describe() == ["numbers: unnamed column, x"]


def test_long_lists_are_shortened():
    (line,) = TableEncoder().fit({f"x{k}": [1, k + 2] for k in range(30)}).describe()
    assert line.endswith("x10, … x29 (30 columns)")


@pytest.mark.parametrize("numbers", ["standard", "robust"])
def test_state_goes_through_json_and_safetensors(numbers):
    encoder = fitted(numbers=numbers, kinds={"zip": "category"})
    again = restored(encoder)
    unseen = {**MIXED, "color": ["violet"] * M, "city": ["nowhere"] * M, "size": ["?"] * M}
    for data in (MIXED, unseen):
        np.testing.assert_array_equal(again.transform(data, "float64"), encoder.transform(data, "float64"))
    assert again.describe() == encoder.describe()
    assert (again.feature_names, again.left_out, repr(again)) == (
        encoder.feature_names,
        encoder.left_out,
        repr(encoder),
    )
    assert again.to_state()[0] == encoder.to_state()[0]


def test_a_state_of_a_later_version_is_refused():
    description, arrays = fitted().to_state()
    with pytest.raises(ValueError, match=r"version 1, got version 2; update gpunet"):
        TableEncoder.from_state(description | {"version": 2}, arrays)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.permutations(list(MIXED)), st.permutations(range(M)), st.booleans())
def test_order_of_columns_and_rows_and_extra_columns_do_not_matter(names, rows, extra):
    data = {name: [MIXED[name][row] for row in rows] for name in names}
    encoder = fitted()
    expected = encoder.transform(MIXED, "float64")
    if extra:
        data = {"before": [1] * M, **data, "after": ["x"] * M}
    np.testing.assert_array_equal(encoder.transform(data, "float64"), expected[list(rows)])
    assert encoder.extra_columns(data) == (["before", "after"] if extra else [])
    # Fitted on other rows and columns it learns the same, up to the order and the rounding of sums.
    other = TableEncoder("standard", one_hot_limit=10).fit(data)
    X, reference = other.transform(MIXED), TableEncoder("standard", one_hot_limit=10).fit(MIXED)
    order = [other.feature_names.index(name) for name in reference.feature_names]
    np.testing.assert_allclose(X[:, order], reference.transform(MIXED), atol=1e-6)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=2, max_size=30),
    st.sampled_from(["standard", "robust"]),
)
def test_all_numbers_give_finite_inputs(values, numbers):
    data = {"x": values, "y": [k % 2 for k in range(len(values))]}
    encoder = TableEncoder(numbers).fit(data)
    X = encoder.transform(data)
    assert np.isfinite(X).all()
    different = {value for value in values if value is not None}
    assert ("x" in encoder.feature_names) == (len(different) > 1)
    assert ("x is missing" in encoder.feature_names) == (None in values and len(different) > 0)
    np.testing.assert_array_equal(restored(encoder).transform(data), X)


def test_missing_columns_are_named():
    encoder = fitted()
    with pytest.raises(
        ValueError, match=r"lacks the column 'size': the table has sise, .*did you mean 'sise'\?"
    ):
        encoder.transform({("sise" if name == "size" else name): cells for name, cells in MIXED.items()})
    with pytest.raises(ValueError, match=r"lacks the columns 'size', 'city': it has color, wild"):
        encoder.transform({name: cells for name, cells in MIXED.items() if name not in ("size", "city")})
    # Columns that training left out are not needed.
    encoder.transform({name: MIXED[name] for name in encoder.columns})


def test_unseen_values_are_values_of_their_own():
    data = {"few": ["a", "b"] * 10, "many": [f"v{k // 2}" for k in range(18)] + ["once", "too"]}
    encoder = TableEncoder(one_hot_limit=5).fit(data)
    names = encoder.feature_names
    X = encoder.transform({"few": ["a", "zz"], "many": ["v3", "zz"]})
    assert X[:, :2].tolist() == [[1, 0], [0, 0]]
    code = slice(names.index("many code 0"), names.index("many code 31") + 1)
    assert X[0, code].sum() == 4 and X[1, code].sum() == 0
    assert X[:, names.index("many frequency")].tolist() == [1, 0]
    # What training had once looks like what it never had: the network learns what "rare" means.
    np.testing.assert_array_equal(encoder.transform({"few": ["zz"], "many": ["once"]}), X[1:])
    codes = encoder.transform({"few": ["a"] * 9, "many": [f"v{k}" for k in range(9)]})[:, code]
    assert len({tuple(row) for row in codes.tolist()}) == 9


def test_missing_is_told_from_unseen_where_training_had_it():
    encoder = TableEncoder().fit({"c": ["a", "b", None, "a"]})
    assert encoder.feature_names == ["c=a", "c=b", "c is missing"]
    assert encoder.transform({"c": ["a", "zz", None, "", "NA"]}).tolist() == [
        [1, 0, 0],
        [0, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 1],
    ]


def test_missing_numbers_are_filled_and_marked():
    encoder = TableEncoder("standard").fit({"x": [1.0, 2, None, 3]})
    assert encoder.transform({"x": [2, None, float("inf"), "?"]}).tolist() == [[0, 0], [0, 1], [0, 1], [0, 1]]
    assert TableEncoder("standard").fit({"x": [1.0, 2, 3]}).transform({"x": [None]}).tolist() == [[0]]
    only_missing = TableEncoder().fit({"x": [5, None, 5, None]})
    assert only_missing.feature_names == ["x is missing"]
    assert only_missing.transform({"x": [9, None]}).tolist() == [[0], [1]]


def test_infinite_cells_count_as_missing():
    encoder = TableEncoder("standard").fit(
        {"x": [1.0, float("inf"), 3.0, float("-inf")], "y": ["1", "inf", "3", "2"]}
    )
    assert encoder.describe() == ["numbers: x, y", "missing cells: x (2), y (1)"]
    assert np.isfinite(encoder.transform({"x": [float("inf")], "y": ["inf"]})).all()


@pytest.mark.parametrize(
    "cells", [[7, 7, 7], ["a", "a", "a"], [True, True, True], ["2024-01-01"] * 3, [0.1] * 3]
)
def test_what_was_constant_has_no_influence_later(cells):
    encoder = TableEncoder().fit({"c": cells, "x": [1, 2, 3]})
    assert encoder.left_out == {"c": "constant"}
    for later in ([9], ["zz"], [1e30], [None], [float("inf")]):
        np.testing.assert_array_equal(
            encoder.transform({"c": later, "x": [2]}), encoder.transform({"c": cells[:1], "x": [2]})
        )


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


def test_a_few_words_among_numbers_are_missing_and_said():
    cells = [str(k) for k in range(60)]
    cells[7], cells[9] = "n.d.", "trace"
    encoder = TableEncoder("standard").fit({"x": cells})
    assert encoder.describe() == ["numbers: x ('n.d.', 'trace' taken as missing)", "missing cells: x (2)"]
    assert encoder.transform({"x": ["trace"]}).tolist() == [[0, 1]]
    with pytest.raises(
        ValueError, match=r"row 1 \(counted from 0\), column 'x': expected numbers as in training, got 'pt'"
    ):
        encoder.transform({"x": ["1", "pt"]})
    # Many are categories.
    assert TableEncoder().fit({"x": cells[:19]}).describe() == ["categories: x (19 values)"]
    often = ["unknown" if k % 2 else str(k) for k in range(60)]
    assert TableEncoder().fit({"x": often}).describe()[0] == "numbers: x ('unknown' taken as missing)"
    grades = [("1", "2", "3", "4", "K")[k % 5] for k in range(50)]
    assert TableEncoder().fit({"g": grades}).describe() == ["categories: g (5 values)"]


def test_how_numbers_are_written_is_remembered():
    encoder = TableEncoder("standard").fit({"x": ["1.234,5", "2,5", "1"]})
    values = np.array([1234.5, 2.5, 1.0])
    later = np.array([1.234e3, 1.234])
    np.testing.assert_allclose(
        encoder.transform({"x": ["1.234", "1,234"]})[:, 0], (later - values.mean()) / values.std(), rtol=1e-6
    )
    np.testing.assert_allclose(
        encoder.transform({"x": [1234.0, 1.234]})[:, 0], (later - values.mean()) / values.std(), rtol=1e-6
    )
    thousands = TableEncoder("standard").fit({"x": ["1,234", "2,345.5", "7"]})
    np.testing.assert_allclose(thousands.transform({"x": ["1,234"]}), thousands.transform({"x": [1234]}))


def test_a_symbol_beside_every_number_is_its_unit():
    encoder = TableEncoder("standard").fit({"p": ["$1,200", "-$5.5", "$7"], "q": ["12%", "15 %", "9%"]})
    assert encoder.describe() == ["numbers: p (in $), q (in %)"]
    for later in ({"p": ["$7"], "q": ["15%"]}, {"p": ["7"], "q": [15]}):
        np.testing.assert_allclose(
            restored(encoder).transform(later),
            [[(7 - 1201.5 / 3) / np.std([1200, -5.5, 7]), 3 / np.std([12, 15, 9])]],
            rtol=1e-6,
        )
    assert TableEncoder().fit({"p": ["$1", "2", "3"]}).describe() == ["categories: p (3 values)"]
    assert TableEncoder().fit({"p": ["$1", "€2", "3"]}).describe() == ["categories: p (3 values)"]


def test_codes_are_told_from_numbers():
    encoder = TableEncoder().fit(
        {
            "e": ["1E2", "2E1", "30"],
            "x": ["1E2", "0.5", "30"],
            "s": ["1E+2", "20", "30"],
            "z": ["007", "8", "9"],
        }
    )
    assert encoder.describe() == ["numbers: x, s", "categories: e (3 values), z (3 values)"]


def test_kinds_can_be_said():
    data = {"zip": [10001, 10002, 10001], "n": ["007", "008", "010"], "b": [True, False, True]}
    encoder = TableEncoder("standard", kinds={"zip": "category", "n": "number", "b": "number"}).fit(data)
    assert encoder.describe() == ["numbers: n, b", "categories: zip (2 values)"]
    assert encoder.transform({"zip": ["10002"], "n": [7], "b": [True]})[0, :2].tolist() == [0, 1]
    with pytest.raises(ValueError, match="'zip' cannot be read as dates: it holds numbers"):
        TableEncoder(kinds={"zip": "date"}).fit(data)
    with pytest.raises(ValueError, match=r"kinds names the column 'zap': .*did you mean 'zip'"):
        TableEncoder(kinds={"zap": "date"}).fit(data)
    with pytest.raises(ValueError, match="unknown kind of column 'categories'"):
        TableEncoder(kinds={"zip": "categories"})


IDS = {
    "unnamed": ({"": range(5)}, "row numbers"),
    "pandas'": ({"Unnamed: 0": range(5)}, "row numbers"),
    "in any order, some of them": ({"index": [3, 40, 2, 19, 5]}, "row numbers"),
    "id": ({"ID": [7, 3, 9, 1, 4]}, "one value per row"),
    "customer_id": ({"customer_id": [7, 3, 9, 1, 4]}, "one value per row"),
    "customerId": ({"customerId": ["a7", "b3", "c9", "d1", "e4"]}, "one value per row"),
    "id, some missing": ({"id": [7, None, 9, 1, 4]}, "one value per row"),
    "names": ({"name": [f"n{k}" for k in range(20)]}, "one value per row"),
    "lists": ({"l": [[1], [2]]}, "type Object"),
    "empty": ({"e": [None, None]}, "empty"),
    "empty text": ({"e": ["", "NA"]}, "empty"),
}


@pytest.mark.parametrize("name", IDS)
def test_what_tells_nothing_is_left_out(name):
    data, reason = IDS[name]
    ((column, cells),) = data.items()
    encoder = TableEncoder().fit({column: list(cells), "x": list(range(len(cells)))})
    assert encoder.left_out == {column: reason}
    assert encoder.feature_names == ["x"]


@pytest.mark.parametrize(
    "data",
    [
        {"year": [2001, 2002, 2003, 2004]},  # counts, but has a name
        {"id": [1, 1, 2, 3]},  # not all different
        {"id": [0.5, 1.5, 2.5, 3.5]},  # no whole numbers
        {"grid": [1, 2, 3, 4], "paid": [4, 3, 2, 1]},  # not named so
        {"": [1, 3, 3, 8]},  # does not number rows
        {"": [1.5, 2.5, 3.5, 4.5]},
        {"color": ["red", "green", "blue"]},  # too few rows to tell
        {"note": [None, *(f"n{k}" for k in range(30))]},  # says which have none
    ],
)
def test_what_may_tell_something_stays(data):
    assert TableEncoder().fit(data).left_out == {}


def test_mistakes_are_answered():
    with pytest.raises(ValueError, match=r"unknown scaling of numbers 'robusst'\. Did you mean 'robust'"):
        TableEncoder("robusst")
    with pytest.raises(ValueError, match="one_hot_limit must be at least 1"):
        TableEncoder(one_hot_limit=0)
    with pytest.raises(ValueError, match="call fit first"):
        TableEncoder().transform(MIXED)
    with pytest.raises(ValueError, match="expected rows to learn from, got none"):
        TableEncoder().fit({"x": []})
    with pytest.raises(ValueError, match=r"all are left out \(x: constant; id: one value per row\)"):
        TableEncoder().fit({"x": [1, 1], "id": [1, 2]})
    with pytest.raises(ValueError, match="column 'wild': expected booleans as in training, got 'maybe'"):
        fitted().transform({**MIXED, "wild": ["maybe"] * M})
    with pytest.raises(ValueError, match="column 'day': expected dates as in training, got 'soon'"):
        fitted().transform({**MIXED, "day": ["soon"] * M})
    with pytest.raises(ValueError, match="column 'size': expected numbers, got a column of Date"):
        fitted().transform(
            {**MIXED, "size": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 9), eager=True)}
        )
    with pytest.raises(TypeError, match="expected a DataFrame, got ndarray"):
        fitted().transform(np.zeros((2, 3)))


def test_one_row_is_read_as_all_rows_are():
    encoder = fitted()
    X = encoder.transform(MIXED, "float64")
    for row in range(M):
        one = {name: [cells[row]] for name, cells in MIXED.items()}
        np.testing.assert_array_equal(encoder.transform(one, "float64"), X[row : row + 1])
