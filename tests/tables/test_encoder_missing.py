"""Cells that are missing or unseen in training, and columns that were constant."""

import numpy as np
import pytest

from gpunet.tables import TableEncoder


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
