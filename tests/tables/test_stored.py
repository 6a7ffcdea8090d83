"""An encoder or a target from a file is refused when it is loaded, not when it is used."""

import copy
import json

import numpy as np
import pytest

import gpunet as gn
from gpunet.tables import Target

TABLE = {
    "size": [1.0, 2.5, None, 4.0],
    "color": ["red", "blue", "red", "green"],
    "open": [True, False, True, True],
    "day": ["2024-01-10", "2024-05-11", "2024-09-12", "2024-11-13"],
}
SIZE, COLOR, OPEN, DAY = range(4)


def stored_encoder():
    description, arrays = gn.TableEncoder(kinds={"color": "category"}).fit(TABLE).to_state()
    return json.loads(json.dumps(description)), {name: array.copy() for name, array in arrays.items()}


def test_as_it_was_stored():
    description, arrays = stored_encoder()
    again = gn.TableEncoder.from_state(description, arrays)
    np.testing.assert_array_equal(again.transform(TABLE), gn.TableEncoder().fit(TABLE).transform(TABLE))


@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        (["columns", SIZE, "name"], 3, "a column's name must be text, got 3"),
        (["columns", SIZE, "missing"], -1, "missing cells must be a whole number, 0 or more, got -1"),
        (["columns", SIZE, "missing"], True, "missing cells must be a whole number"),
        (["columns", COLOR, "values"], "red", "values must be a list of texts, got 'red'"),
        (["columns", COLOR, "values"], ["blue", 1, "red"], "values must be a list of texts"),
        (["columns", COLOR, "values"], ["red", "red", "blue"], "values must differ from each other"),
        (["columns", COLOR, "values"], ["red"], "counts must be 1 numbers of kind 'i', got (3,) int64"),
        (["columns", DAY, "cycles"], ["month"], "unknown cycle 'month'"),
        (["columns", DAY, "cycles"], "year", "cycles must be a list of texts, got 'year'"),
        (["columns", SIZE, "reading", "kind"], "empty", "unknown kind of cells 'empty'"),
        (["columns", SIZE, "reading", "missing"], [None], "missing words must be a list of texts"),
        (["columns", SIZE, "reading", "words"], {}, "words must be a list of texts"),
        (["columns", SIZE, "reading", "written"], 0, "written must be text"),
        (["columns", SIZE, "reading", "unit"], None, "unit must be text"),
        (["columns", SIZE, "reading", "decimal"], ";", "unknown decimal mark ';'"),
        (["missing"], [0], "missing words must be a list of texts"),
        (["left_out"], {"id": 3}, "a reason must be text"),
    ],
)
def test_a_description_that_is_wrong(where, value, told):
    description, arrays = stored_encoder()
    inside = description
    for key in where[:-1]:
        inside = inside[key]
    inside[where[-1]] = value
    with pytest.raises((TypeError, ValueError)) as raised:
        gn.TableEncoder.from_state(description, arrays)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("name", "array", "told"),
    [
        (f"column {SIZE} numbers", np.array([1.0, np.nan]), "center and scale must be finite"),
        (f"column {SIZE} numbers", np.array([1.0]), "center and scale must be 2 numbers of kind 'f'"),
        (f"column {SIZE} numbers", np.array([1, 2]), "center and scale must be 2 numbers of kind 'f'"),
        (f"column {SIZE} numbers", np.array([1.0, -1.0]), "the scale of 'size' must be at least 0, got -1.0"),
        (f"column {OPEN} numbers", np.array([-0.5]), "the mean must be finite and at least 0"),
        (f"column {OPEN} numbers", np.zeros((1, 1)), "the mean must be 1 numbers"),
        (f"column {COLOR} counts", np.array([1, 0, 2]), "counts must be finite and at least 1"),
        (f"column {COLOR} counts", np.array([1.0, 1.0, 2.0]), "counts must be 3 numbers of kind 'i'"),
    ],
)
def test_an_array_that_is_wrong(name, array, told):
    description, arrays = stored_encoder()
    assert name in arrays
    with pytest.raises(ValueError) as raised:
        gn.TableEncoder.from_state(description, arrays | {name: array})
    assert told in str(raised.value)


def test_extreme_but_right():
    """A constant column has scale 0, and centers may be below 0."""
    description, arrays = stored_encoder()
    numbers = np.array([-3.0, 0.0])
    again = gn.TableEncoder.from_state(description, arrays | {f"column {SIZE} numbers": numbers})
    assert "size" not in again.feature_names


@pytest.mark.parametrize(
    ("targets", "changes", "told"),
    [
        (["cat", "dog"], {"name": None}, "the target's name must be text"),
        (["cat", "dog"], {"class_names": ["cat", "cat"]}, "class names must differ"),
        (["cat", "dog"], {"class_names": None}, "a target of kind 'classes' with class names None"),
        (["cat", "dog"], {"kind": "values"}, "a target of kind 'values' with class names ['cat', 'dog']"),
        ([1.5, 2.5, 4.0], {"scale": 0.0}, "scale must be a finite number above 0"),
        ([1.5, 2.5, 4.0], {"center": float("inf")}, "center must be a finite number"),
        ([1.5, 2.5, 4.0], {"scale": "1"}, "scale must be a number, got '1'"),
    ],
)
def test_a_target_that_is_wrong(targets, changes, told):
    state = Target().fit(targets).to_state()
    assert Target.from_state(copy.deepcopy(state)).to_state() == state
    with pytest.raises((TypeError, ValueError)) as raised:
        Target.from_state(state | changes)
    assert told in str(raised.value)
