"""Columns become inputs by rules, by name, and the same after saving."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from gpunet.tables import TableEncoder
from mixed_tables import MIXED, M, fitted, restored


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
    assert [column.name for column in encoder.learned] == encoder.columns
    X = encoder.transform(MIXED)
    assert X.shape == (M, len(encoder.feature_names)) and X.dtype == np.float32
    assert np.isfinite(X).all()


def test_a_column_without_a_name_is_called_so():
    assert (
        TableEncoder().fit({"": [1, 2], "x": [1, 2]}).describe()[-1]
        == "left out: unnamed column (row numbers)"
    )
    assert TableEncoder().fit({"": [1, 1, 5], "x": [1, 2, 3]}).describe() == ["numbers: unnamed column, x"]


def test_an_encoder_that_knows_no_table_says_so():
    data = {"x": [1, 2]}
    for use in (
        TableEncoder().describe,
        TableEncoder().to_state,
        lambda: TableEncoder().extra_columns(data),
        lambda: TableEncoder().transform(data),
        lambda: TableEncoder().learned,
    ):
        with pytest.raises(ValueError, match="this TableEncoder knows no table yet; call fit first"):
            use()


def test_words_for_missing_are_stored_once():
    """Beside the columns where they are others: "-" is a word beside "+"."""
    description, _ = TableEncoder().fit({"x": [1, 2], "c": ["+", "-"]}).to_state()
    x, c = (column["reading"]["missing"] for column in description["columns"])
    assert x is None and list(c) == [word for word in description["missing"] if word != "-"]


@pytest.mark.parametrize(("words", "inputs"), [(50, 50), (51, 33)])
def test_the_limit_where_none_is_named(words, inputs):
    encoder = TableEncoder().fit({"c": [f"w{k}" for k in range(words)] + ["w0"]})
    assert len(encoder.feature_names) == inputs


def test_twelve_columns_are_listed():
    (line,) = TableEncoder().fit({f"x{k}": [1, k + 2] for k in range(12)}).describe()
    assert line == "numbers: " + ", ".join(f"x{k}" for k in range(12))
    (line,) = TableEncoder().fit({f"x{k}": [1, k + 2] for k in range(13)}).describe()
    assert line.endswith("x10, … x12 (13 columns)")


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
    with pytest.raises(TypeError, match=r"kinds must be a dict such as {'year': 'category'}, got \['zip'\]"):
        TableEncoder(kinds=["zip"])
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


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, ""])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_column_without_a_cell_is_missing(missing, rows):
    """Its type says nothing then, whatever it was in training; as in a request of one row."""
    encoder = fitted()
    whole = {name: list(cells[:rows]) for name, cells in MIXED.items()}
    some = {name: [cells[0], None, cells[0]] for name, cells in MIXED.items()}  # the type is known
    expected = encoder.transform(some, "float64")[1]
    for name in MIXED:
        found = encoder.transform({**whole, name: [missing] * rows}, "float64")
        usual = encoder.transform(whole, "float64")
        differs = (found != usual).any(axis=0)
        assert_array_equal(found[:, differs], np.tile(expected[differs], (rows, 1)))


def test_columns_of_a_dict_that_are_none():
    """A text has a length, too: its letters would be rows."""
    for wrong, shown in (
        (1.5, r"1\.5; a single row is \[1\.5\]$"),
        ("red", r"'red'; a single row is \['red'\]$"),
    ):
        for call in (TableEncoder().fit, fitted().transform):
            with pytest.raises(
                TypeError, match=rf"column 'size' must be a list, .* with an entry for each row; got {shown}"
            ):
                call({**MIXED, "size": wrong})
    for wrong in (None, {1: 2}, {1, 2}, (k for k in range(M)), np.array(3.0)):
        with pytest.raises(TypeError, match="column 'size' must be a list"):
            TableEncoder().fit({**MIXED, "size": wrong})
    assert TableEncoder().fit({"x": range(9)}).feature_names == ["x"]


def test_what_is_no_table_says_how_to_read_one():
    for wrong, called in (("t.csv", "str"), ([{"a": 1}], "list"), (None, "NoneType")):
        with pytest.raises(
            TypeError, match=rf"expected a DataFrame, got {called}; a dict of columns .*read_table$"
        ):
            TableEncoder().fit(wrong)


def test_columns_of_other_array_libraries():
    torch = pytest.importorskip("torch")
    columns = {"x": torch.tensor([1.0, 2.0, 4.0], requires_grad=True), "n": torch.tensor([1, 3, 2])}
    X = TableEncoder("standard").fit_transform(columns)
    assert np.array_equal(X, TableEncoder("standard").fit_transform({"x": [1.0, 2.0, 4.0], "n": [1, 3, 2]}))
    with pytest.raises(ValueError, match=r"'x' must be one column \(m,\), got shape \(3, 2\)"):
        TableEncoder().fit({"x": np.ones((3, 2))})


@pytest.mark.parametrize("dtype", ["int32", "float16", "float", np.float32, None, "flaot32"])
def test_another_dtype_is_refused(dtype):
    """Before anything is learned."""
    encoder = TableEncoder()
    for use in (fitted().transform, encoder.fit_transform):
        with pytest.raises(ValueError, match=r"unknown dtype .*Known: float32, float64"):
            use(MIXED, dtype)
    assert not encoder.fitted
    for known in ("float32", "float64"):
        assert fitted().transform(MIXED, known).dtype == known
