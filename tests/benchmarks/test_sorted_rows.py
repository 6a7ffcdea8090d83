"""The script that measures what the order of rows costs, on small data."""

import numpy as np
import pytest

import gpunet as gn
from benchmarks.sorted_rows import ORDERS, Row, measured, page, sorted_by_class
from streams import small_blocks


def test_rows_are_sorted_and_stay_beside_their_targets():
    data = gn.datasets.digits()
    found = sorted_by_class(data)
    assert np.array_equal(found.y, np.sort(data.y))
    for k in (0, 9):
        assert np.array_equal(found.X[found.y == k], data.X[data.y == k])
    assert found.X_test is data.X_test


def test_a_page():
    rows = [Row("in memory", [0.97, 0.99]), Row("blocks", [0.96, 0.97])]
    assert page(rows).splitlines()[2:] == [
        "| all rows in memory, a new order in each epoch | 98.0% | 97.0% to 99.0% | 0.0 points |",
        "| the sorted file, block by block | 96.5% | 96.0% to 97.0% | 1.5 points |",
    ]


@pytest.mark.slow
def test_a_window_is_worst_and_a_shuffled_file_as_good_as_memory(tmp_path, monkeypatch):
    small_blocks(monkeypatch, 24, 6, 64)
    rows = measured(sorted_by_class(gn.datasets.digits()), tmp_path, 4, 3)
    assert [row.order for row in rows] == list(ORDERS)
    memory, blocks, window, shuffled = (np.mean(row.accuracies) for row in rows)
    assert window < blocks - 0.01
    assert blocks < memory - 0.01
    assert abs(shuffled - memory) < 0.02
