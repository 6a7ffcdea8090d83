"""The accuracy of the defaults on scikit-learn's own small tables: no worse than a linear model."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from benchmarks.tables_accuracy import METHODS, Row, measured, page, ranks, together


def test_equal_scores_share_their_mean_rank():
    assert np.array_equal(ranks([0.5, 0.9, 0.90004, 0.1]), [3, 1.5, 1.5, 4])


def test_rows_of_a_page_are_kept():
    old = [Row("Ecdat/HI", ("whi", "22,272", "12", "accuracy"), (0.79, 0.5, 0.8, 0.77)),
           Row("digits", ("target", "1,797", "64", "accuracy"), (0.9, 0.8, 0.7, 0.6))]  # fmt: skip
    text = "\n".join(page(old, list(METHODS)))
    assert (
        text.splitlines()[2] == "| Ecdat/HI (whi) | 22,272 | 12 | accuracy | 0.790 | 0.500 | 0.800 | 0.770 |"
    )
    assert text.splitlines()[-1] == "2 tables. gpunet is more than 0.02 below the linear model on: digits."
    assert together(text, []) == old[::-1]
    new = Row("digits", ("target", "1,797", "64", "accuracy"), (0.9, 0.8, 0.7, 0.9))
    assert together(text, [new]) == [new, old[0]]


@pytest.mark.slow
def test_small_tables():
    methods = {name: METHODS[name] for name in ("linear", "gpunet")}
    rows = measured(500, ["breast_cancer", "diabetes"], methods)
    head, _, cancer, diabetes, mean, _, behind = page(rows, list(methods))
    assert head == "| table | rows | columns | score | linear | gpunet |"
    assert cancer.startswith("| breast_cancer (target) | 500 | 30 | accuracy | 0.9")
    assert diabetes.startswith("| diabetes (target) | 442 | 10 | R² | 0.4")
    assert mean.startswith("| **mean rank** ")
    assert behind == "2 tables. gpunet is more than 0.02 below the linear model on: none."
