"""Targets encoded, decoded, and in their own unit."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from gpunet.tables import Target


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
