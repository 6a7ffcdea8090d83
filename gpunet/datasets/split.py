"""Splitting examples into a training set and a test set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import not_negative_int, number


def check_fraction(test_fraction: float) -> None:
    """Raise a ValueError or TypeError unless ``0 < test_fraction < 1``."""
    if not 0 < number("test_fraction", test_fraction) < 1:
        raise ValueError(
            f"test_fraction must be greater than 0 and less than 1, got {test_fraction}; "
            "0.2 takes every fifth example for the test set"
        )


def hold_out(y: NDArray[Any], test_fraction: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose the rows of the training set and of the test set, stratified by class.

    Parameters
    ----------
    y : array, shape (m,) or (m, k)
        Targets. Class numbers ``(m,)`` are stratified: each class has this fraction in the test set.
    test_fraction : float
        Fraction of the rows for the test set, greater than 0 and less than 1.
    seed : int
        The same seed chooses the same rows.

    Returns
    -------
    train, test : array of int
        Row numbers in random order; every row is in exactly one of the two.

    Raises
    ------
    ValueError
        If `test_fraction` is out of range, or leaves either set without a row.
    """
    check_fraction(test_fraction)
    rng = np.random.default_rng(not_negative_int("seed", seed))
    order = rng.permutation(len(y))
    if y.ndim == 1:
        order = order[np.argsort(y[order], kind="stable")]
    # The rows of a class are adjacent now, so rows at equal distances are stratified: the number of test
    # examples is within one of the fraction, for each class and in total.
    taken = np.floor(np.arange(len(y) + 1) * test_fraction + 0.5)
    in_test = np.diff(taken) > 0
    train, test = rng.permutation(order[~in_test]), rng.permutation(order[in_test])
    if len(train) == 0 or len(test) == 0:
        raise ValueError(
            f"a test_fraction of {test_fraction} of {len(y)} examples leaves {len(train)} to train "
            f"on and {len(test)} to test on; give more examples or another fraction"
        )
    return train, test


def first_held_out(
    y: NDArray[Any], class_names: tuple[str, ...] | None, test_fraction: float, where: str, remedy: str
) -> int:
    """The first one of the last rows of a file, which are the test set where a random choice would be a copy.

    Parameters
    ----------
    y : array, shape (m,) or (m, k)
        All targets.
    class_names : tuple of str or None
        If they are classes.
    test_fraction : float
    where, remedy : str
        The file, and how its rows are shuffled, for the message.

    Raises
    ------
    ValueError
        If a class is only in the test set, or if either set is empty.
    """
    check_fraction(test_fraction)
    first = len(y) - round(len(y) * test_fraction)
    if not 0 < first < len(y):
        raise ValueError(
            f"{where}: a test_fraction of {test_fraction} of {len(y)} examples leaves a part empty"
        )
    unseen = np.setdiff1d(y[first:], y[:first]) if class_names is not None else np.array([])
    if class_names is not None and len(unseen):
        raise ValueError(
            f"{where}: class {class_names[unseen[0]]} is only in the last rows, which are the test set; {remedy}"
        )
    return first
