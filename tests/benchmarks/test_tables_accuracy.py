"""The accuracy of the defaults on scikit-learn's own small tables: no worse than a linear model."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from benchmarks.tables_accuracy import METHODS, page, ranks


def test_equal_scores_share_their_mean_rank():
    assert np.array_equal(ranks([0.5, 0.9, 0.90004, 0.1]), [3, 1.5, 1.5, 4])


@pytest.mark.slow
def test_small_tables():
    methods = {name: METHODS[name] for name in ("linear", "gpunet")}
    head, _, cancer, diabetes, mean, _, behind = page(500, ["breast_cancer", "diabetes"], methods)
    assert head == "| table | rows | columns | score | linear | gpunet |"
    assert cancer.startswith("| breast_cancer (target) | 500 | 30 | accuracy | 0.9")
    assert diabetes.startswith("| diabetes (target) | 442 | 10 | R² | 0.4")
    assert mean.startswith("| **mean rank** ")
    assert behind.endswith("below the linear model: none.")
