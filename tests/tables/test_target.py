"""Targets: classes by name, values in their own unit, one rule for every format."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gpunet.tables import Target

FORMATS = {
    "list": list,
    "text": lambda values: [str(value) for value in values],
    "array": np.array,
    "column": lambda values: np.array(values)[:, None],
    "polars": lambda values: pl.Series("y", values),
    "pandas": lambda values: pd.Series(values, name="y"),
    "pandas, nullable": lambda values: pd.Series(values, name="y").convert_dtypes(),
    "pyarrow": pa.array,
    "pyarrow, chunked": lambda values: pa.chunked_array([values]),
}
RULE = {
    "words": (["a", "b"] * 4, ("a", "b")),
    "booleans": ([True, False] * 4, ("False", "True")),
    "0 and 1": ([0, 1] * 4, ("0", "1")),
    "26 integers, four rows each": ([k % 26 for k in range(104)], tuple(str(k) for k in range(26))),
    "26 integers, three rows each": ([k % 26 for k in range(78)], None),
    "31 integers": ([k % 31 for k in range(310)], None),
    "all different": (list(range(10, 20)), None),
    "real": ([0.5, 1.5] * 20, None),
    "beyond 2**53": ([2**53, 2**53 + 1] * 4, (str(2**53), str(2**53 + 1))),
    "negative": ([-1, 1] * 4, ("-1", "1")),
}


@pytest.mark.parametrize("made", FORMATS)
@pytest.mark.parametrize("name", RULE)
def test_one_rule_for_every_format(name, made):
    values, names = RULE[name]
    target = Target().fit(FORMATS[made](values))
    assert (target.kind, target.class_names) == ("values" if names is None else "classes", names)
    encoded = target.encode(FORMATS[made](values))
    if names is None:
        assert (encoded.shape, encoded.dtype) == ((len(values), 1), np.float64)
        np.testing.assert_allclose(encoded[:, 0], (np.array(values) - np.mean(values)) / np.std(values))
        np.testing.assert_allclose(target.decode(encoded), values)
    else:
        assert encoded.dtype == np.int64
        assert target.decode(encoded).tolist() == [str(value) for value in values]


@pytest.mark.parametrize("made", ["list", "array", "column", "polars", "pandas", "pyarrow"])
def test_whole_floats_are_as_integers(made):
    target = Target().fit(FORMATS[made]([0.0, 1.0] * 4))
    assert target.class_names == ("0", "1")
    assert target.encode([1, 0]).tolist() == target.encode(["1", "0.0"]).tolist() == [1, 0]
    assert Target().fit(["0.0", "1.0"] * 4).class_names == ("0.0", "1.0")  # as they are written
    assert Target().fit(["0", "1.0", "1", "0.0"] * 4).class_names == ("0", "1")  # in two ways


@pytest.mark.parametrize("made", ["list", "array", "polars", "pandas", "text"])
def test_kind_overrides_the_rule(made):
    few, many = FORMATS[made]([3, 5] * 4), FORMATS[made](list(range(50)))
    assert Target("values").fit(few).class_names is None
    assert Target("classes").fit(many).class_names == tuple(map(str, range(50)))
    np.testing.assert_allclose(Target("values").fit(few).encode(few)[:2, 0], [-1, 1])


def test_codes_are_kept_as_they_are_written():
    for codes in (
        ["02139", "10001"],
        ["007", "7"],
        ["007", "007.0"],
        ["1E2", "100"],
        ["+", "-"],
        ["Na", "Cl"],
    ):
        target = Target().fit(codes * 4)
        assert set(target.class_names) == set(codes)
        assert target.decode(target.encode(codes)).tolist() == codes
    mixed = Target("classes").fit([2**60 + 1, 2**60, 0.5])
    assert set(mixed.class_names) == {str(2**60 + 1), str(2**60), "0.5"}
    assert Target().fit([10**30, 10**30 + 1] * 3).class_names == (str(10**30), str(10**30 + 1))


def test_classes_are_in_the_order_of_numbers_or_of_words():
    assert Target().fit([10, 9, -1] * 5).class_names == ("-1", "9", "10")
    assert Target().fit(["10", "9", "x"] * 5).class_names == ("10", "9", "x")
    equal_as_floats = ["9999999999999999", "10000000000000001"]
    assert Target("classes").fit(equal_as_floats).class_names == tuple(equal_as_floats)
    assert Target().fit([2**60 + 1, 2**60] * 5).class_names == (str(2**60), str(2**60 + 1))


def test_missing_targets_are_never_a_class():
    cells = ["yes", "no", "NA", None, "", "N/A", "#N/A", "null", "None", "-", "?", "nan"]
    target = Target().fit(cells)
    assert target.class_names == ("no", "yes")
    assert target.is_missing(cells).tolist() == [False] * 2 + [True] * 10
    with pytest.raises(ValueError, match=r"row 1 .* got a missing one \(1 of 2 are\); leave these rows out"):
        target.encode(["yes", "NA"])
    assert Target().fit(["yes", "NA", "no"], missing=()).class_names == ("NA", "no", "yes")
    nan = np.array([1.5, np.nan, 2.5])
    for numbers in (nan, pl.Series(nan), pd.Series(nan)):
        assert Target().fit(numbers).is_missing(numbers).tolist() == [False, True, False]
    values = Target().fit([1.5, float("nan"), 2.5, None])
    assert (values.center, values.scale) == (2.0, 0.5)


def test_outputs_become_words():
    two = Target().fit(["no", "yes"])
    assert two.decode(np.array([[0.4], [0.6]])).tolist() == ["no", "yes"]
    assert two.decode(np.array([0.4, 0.6])).tolist() == ["no", "yes"]
    assert two.decode([[0.7, 0.3], [0.2, 0.8]]).tolist() == ["no", "yes"]
    assert two.decode(np.array([1, 0])).tolist() == ["yes", "no"]
    with pytest.raises(ValueError, match="expected outputs for 2 classes, got 3 per row"):
        two.decode(np.zeros((1, 3)))


def test_values_are_scaled_on_the_training_part_and_back():
    y = np.array([1e6, 1e6 + 2, 5.0, 7.0])
    target = Target("values").fit(pd.Series(y, name="price"), training=np.array([0, 1]))
    assert (target.center, target.scale) == (1e6 + 1, 1.0)
    mask = Target("values").fit(y, training=np.array([True, True, False, False]))
    assert mask.center == target.center
    np.testing.assert_allclose(target.decode(target.encode(y)), y)
    assert Target("values").fit([3.0, 3.0]).scale == 1.0


def test_losses_have_units():
    target = Target().fit(pd.Series([0.5, 4.5, 8.5], name="price"))
    assert target.loss_in_own_unit(0.25, "squared_error") == pytest.approx(0.25 * target.scale**2)
    assert target.loss_in_own_unit(0.25, "absolute_error") == pytest.approx(0.25 * target.scale)
    assert (target.unit("squared_error"), target.unit("absolute_error")) == ("price²", "price")
    assert target.describe() == "target: price, values (mean 4.5, deviation 3.26599)"
    classes = Target().fit(pd.Series(["a", "b"], name="kind"))
    assert (classes.loss_in_own_unit(0.25, "cross_entropy"), classes.unit("cross_entropy")) == (0.25, "")
    assert classes.describe() == "target: kind, 2 classes (a, b)"


@pytest.mark.parametrize(
    "values", [["02139", "10001"] * 3, [0.1, 0.7, 1e300], [True, False], ["1,5", "2,25", "3"]]
)
def test_state_goes_through_json(values):
    target = Target().fit(values)
    again = Target.from_state(json.loads(json.dumps(target.to_state())))
    np.testing.assert_array_equal(again.encode(values), target.encode(values))
    np.testing.assert_array_equal(again.decode(again.encode(values)), target.decode(target.encode(values)))
    assert (again.describe(), again.kind) == (target.describe(), target.kind)


def test_classes_are_known_in_every_format_later():
    booleans = Target().fit(["TRUE", "FALSE", "TRUE"])
    assert booleans.encode([True, False]).tolist() == booleans.encode(["true", "False"]).tolist() == [1, 0]
    numbers = Target().fit(["1", "2"] * 4)
    assert numbers.encode([1, 2]).tolist() == numbers.encode([1.0, 2.0]).tolist() == [0, 1]
    zips = Target().fit(["02139", "10001"])
    with pytest.raises(ValueError, match=r"row 0 .*: expected one of the classes 02139, 10001, got '2139'"):
        zips.encode([2139])


def test_mistakes_are_answered():
    one_class = r"holds one class only, 'yes'.*name the words that mean 'missing' with missing="
    with pytest.raises(ValueError, match=one_class):
        Target().fit(["yes", "-", "yes"])
    for missing in (["NA", ""], pl.Series(["NA", ""])):
        with pytest.raises(ValueError, match="missing in all of 2 rows"):
            Target().fit(missing)
    with pytest.raises(ValueError, match=r"40 different words in 40 rows, such as .*: hardly classes"):
        Target().fit([f"name {k}" for k in range(40)])
    with pytest.raises(ValueError, match=r"such as 'n\.d\.': hardly classes"):
        Target().fit([str(k % 60) for k in range(600)] + ["n.d."])
    with pytest.raises(
        ValueError, match=r"must be numbers for kind='values', got 'n.d.'; name it in missing="
    ):
        Target("values").fit(["1", "2", "n.d."])
    with pytest.raises(ValueError, match="must be words or numbers, got dates such as"):
        Target().fit(["2024-01-01", "2024-01-02"])
    with pytest.raises(ValueError, match="must be finite, got inf in row 1"):
        Target().fit([0.5, float("inf"), 1.5])
    with pytest.raises(ValueError, match="expected numbers as in training, got 'x'"):
        Target().fit([0.5, 1.5]).encode(["1", "x"])
    with pytest.raises(ValueError, match=r"one column \(m,\), got shape \(2, 2\)"):
        Target().fit(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="unknown kind of target"):
        Target("class")


def test_a_target_that_knows_none_says_so():
    for use in (
        lambda: Target().encode(["a"]),
        lambda: Target().decode([0.5]),
        lambda: Target().is_missing(["a"]),
        lambda: Target().loss_in_own_unit(1.0, "squared_error"),
        lambda: Target().unit("squared_error"),
        Target().describe,
        Target().to_state,
    ):
        with pytest.raises(ValueError, match="this Target knows no targets yet; call fit first"):
            use()
    assert repr(Target("values")) == "<Target target: values>"


def test_all_that_is_stored():
    """Classes have neither center nor scale; a list has no name."""
    state = Target().fit(["b", "a", "b"]).to_state()
    reading = state.pop("reading")
    assert state == {
        "kind": "classes",
        "name": "target",
        "class_names": ["a", "b"],
        "center": 0.0,
        "scale": 1.0,
    }
    assert (reading["kind"], reading["written"]) == ("category", "")
    assert Target("values").fit([1, 2], training=np.zeros(2, bool)).to_state()["scale"] == 1.0


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([3, 5], "classes"),  # two, however few the rows
        ([1, 2, 3] * 2 + [1, 2], "values"),
        ([1, 2, 3] * 4, "classes"),  # four rows each
        ([1, 2, 3] * 3 + [1, 2], "values"),
        ([1, 2, 3] * 4 + [None], "classes"),
        ([1, 2, 3] * 3 + [1, 2, None], "values"),  # missing rows do not count
        ([1, 2.5] * 8, "values"),
        ([1.0, 2.0, float("inf")] * 8, None),
    ],
)
def test_how_many_numbers_are_classes(values, kind):
    for made in (values, pl.Series(values, strict=False), pd.Series(values)):
        if kind is None:
            with pytest.raises(ValueError, match="must be finite, got inf in row 2"):
                Target().fit(made)
        else:
            assert Target().fit(made).kind == kind


@pytest.mark.parametrize("made", [list, pl.Series])
def test_how_many_words_are_classes(made):
    """More than 30, most of which occur once, or most of which are numbers, are none."""
    words = [f"name {k}" for k in range(31)]
    assert len(Target().fit(made(words[:30])).class_names) == 30
    assert len(Target().fit(made(words * 2)).class_names) == 31
    for hardly in (words, words + words[1:]):
        with pytest.raises(
            ValueError, match=r"hardly classes; choose another target, .*or say kind='classes'"
        ):
            Target().fit(made(hardly))
        assert len(Target("classes").fit(made(hardly)).class_names) == 31
    half = [f"n{k}" for k in range(16)] + [str(k) for k in range(16)]
    assert len(Target().fit(made(half * 2)).class_names) == 32
    with pytest.raises(ValueError, match="has 33 different words in 66 rows, such as 'n9': hardly classes"):
        Target().fit(made([*half, "16"] * 2))
    codes = [f"{k:02d}" for k in range(40)]
    assert len(Target().fit(made(codes * 2)).class_names) == 40


def test_rows_of_one_target():
    assert Target().fit([["a"], ["b"], ["a"]]).encode([["b"]]).tolist() == [1]
    assert Target().fit(([0.5], [1.5])).center == 1.0
    for rows in ([["a", "b"], ["a", "b"]], [["a"], "b"]):
        with pytest.raises(ValueError, match=r"must be words or numbers, got Object such as \['a'"):
            Target().fit(rows)


def test_outputs_at_the_border_and_none():
    """One half counts as the first of two, as for the accuracy."""
    two, three = Target().fit(["no", "yes"]), Target().fit(["a", "b", "c"])
    assert two.decode([[0.5], [0.51]]).tolist() == two.decode([0.5, 0.51]).tolist() == ["no", "yes"]
    assert two.decode(np.zeros((0, 1))).tolist() == three.decode(np.zeros((0, 3))).tolist() == []
    assert three.decode([[0.4, 0.4, 0.2]]).tolist() == ["a"]
    for outputs in (np.zeros((2, 1)), np.zeros(2), np.zeros((2, 2))):
        with pytest.raises(ValueError, match=r"expected outputs for 3 classes, got [12] per row"):
            three.decode(outputs)
    assert Target().fit([0.5, 1.5]).decode(np.zeros((0, 1))).shape == (0,)


def test_a_loss_without_a_unit_stays():
    target = Target("values").fit([0.0, 8.0])
    assert target.loss_in_own_unit(0.25, "poisson") == 0.25 and target.unit("poisson") == ""


@pytest.mark.parametrize(("count", "listed", "known"), [(12, "b10, b11)", "b11,"), (13, "b11, …)", "b12,")])
def test_many_classes_are_shortened(count, listed, known):
    target = Target().fit([f"b{k:02d}" for k in range(count)])
    assert target.describe().endswith(listed)
    with pytest.raises(ValueError, match=f"{known} got 'x'"):
        target.encode(["x"])


@pytest.mark.parametrize(("count", "known"), [(20, "b18, b19, got"), (21, "b19, …, got")])
def test_many_known_classes_are_shortened(count, known):
    with pytest.raises(ValueError, match=known):
        Target().fit([f"b{k:02d}" for k in range(count)]).encode(["x"])


def test_the_row_of_a_mistake_is_named():
    animals = Target().fit(["cat", "dog"])
    with pytest.raises(
        ValueError, match=r"^row 2 \(counted from 0\): expected one of .*cat, dog, got 'bird'"
    ):
        animals.encode(["cat", "dog", "bird", "fish"])
    with pytest.raises(
        ValueError, match=r"^row 1 \(counted from 0\): expected a target, got a missing one \(2 of"
    ):
        animals.encode(["cat", "NA", ""])
    values = Target("values").fit([0.5, 1.5, 4])
    for cells in (
        [1.0, float("-inf"), 2.0],
        np.array([1.0, -np.inf, 2.0]),
        pl.Series([1.0, float("-inf"), 2.0]),
    ):
        with pytest.raises(
            ValueError, match=r"must be finite, got -inf in row 1 \(counted from 0\); leave the"
        ):
            values.encode(cells)
    with pytest.raises(ValueError, match=r"^row 1: expected numbers as in training, got 'x'"):
        values.encode(["1.5", "x"])


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([None, "12:30", "13:30"], "times such as '12:30'"),
        ([None, "2024-01-31", "2024-02-01"], "dates such as '2024-01-31'"),
        ([None, [1, 2], [3, 4]], r"Object such as \[1, 2\]"),
        (np.array(["NaT", "2024-01-31", "2024-02-01"], "datetime64[ns]"), "dates such as datetime.datetime"),
    ],
)
def test_targets_that_are_neither_words_nor_numbers(cells, told):
    with pytest.raises(
        ValueError, match=rf"'target' must be words or numbers, got {told}.*; make numbers of them"
    ):
        Target().fit(cells)
    if isinstance(cells[1], str):
        assert Target("classes").fit(cells).class_names == tuple(cells[1:])
    with pytest.raises(ValueError, match="must be words or numbers"):
        Target("values").fit(cells)


@pytest.mark.parametrize("made", [list, pl.Series])
def test_codes_are_no_values(made):
    with pytest.raises(ValueError, match="must be numbers for kind='values', got '007'; name it in missing="):
        Target("values").fit(made(["010", "008", "007"]))
    with pytest.raises(ValueError, match="must be numbers for kind='values', got 'x1'; name it in missing="):
        Target("values").fit(made(["2", "y", "1", "x1"]))


def test_a_word_among_numbers_makes_words_of_them():
    """A network must not be trained without the rows of a class."""
    cells = [str(k % 5) for k in range(60)] + ["n.d."]
    for made in (cells, pl.Series(cells)):
        assert Target().fit(made).class_names == ("0", "1", "2", "3", "4", "n.d.")
