"""SciPy's sparse rows as examples."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from gpunet.devices.placement import host_placement
from gpunet.devices.sparse_examples import SparseExamples


@pytest.mark.parametrize("chosen", [slice(2, 7), np.array([8, 1, 1])])
def test_the_product_of_the_used_features_alone(chosen):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((9, 60)) * (rng.random((9, 60)) < 0.1)
    W = rng.standard_normal((4, 60))
    examples = SparseExamples(csr_array(X), host_placement())
    columns, weights = examples.used_features(examples.columns(chosen), W)
    used = X[chosen].any(axis=0).sum()
    assert columns.shape == (used, len(X[chosen]))
    assert weights.shape == (4, used)
    assert np.allclose(weights @ columns, W @ X[chosen].T)


def test_dense_columns_keep_all_features():
    examples = SparseExamples(csr_array(np.eye(3)), host_placement(), dense=True)
    X, W = examples.columns(slice(0, 2)), np.ones((2, 3))
    columns, weights = examples.used_features(X, W)
    assert columns is X
    assert weights is W
