"""Accuracy of labels at the threshold."""

import numpy as np

from gpunet.core.accuracy import accuracy


def test_exactly_one_half_counts_as_no():
    for A, Y, right in ((0.5, 0.0, 1.0), (0.5, 1.0, 0.0), (0.2, 0.5, 1.0), (0.7, 0.5, 0.0), (0.5, 0.5, 1.0)):
        assert accuracy(np, np.array([[A]]), np.array([[Y]]), "labels") == right
