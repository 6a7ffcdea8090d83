"""The handwritten digits that scikit-learn includes; no download."""

from __future__ import annotations

import numpy as np

from gpunet.datasets.dataset import Dataset
from gpunet.datasets.split import hold_out
from gpunet.installation import install_command


def digits(*, seed: int = 0, test_fraction: float = 0.2) -> Dataset:
    """1,797 handwritten digits of 8 x 8 pixels, from scikit-learn (C1).

    Parameters
    ----------
    seed : int, default 0
        Chooses the test set; the same seed chooses the same one.
    test_fraction : float, default 0.2
        Fraction of each digit's examples for the test set, greater than 0 and less than 1.

    Returns
    -------
    Dataset
        X (m, 64) float32, from 0 (paper) to 1 (ink); y (m,) int64, the digits.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If `test_fraction` is out of range.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits come with scikit-learn, which is not installed; "
            f"install it with: {install_command('digits')}"
        ) from error
    pixels, labels = load_digits(return_X_y=True)
    X = (pixels / 16).astype(np.float32)  # pixels are integers from 0 to 16
    y = labels.astype(np.int64)
    train, test = hold_out(y, test_fraction, seed)
    names = tuple(str(digit) for digit in range(10))
    return Dataset(X[train], y[train], X[test], y[test], "digits", (8, 8), names)
