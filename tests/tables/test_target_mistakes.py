"""Targets that cannot be used: what came, in which row, and what to do."""

import numpy as np
import polars as pl
import pytest

from gpunet.tables import Target


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
