"""The user's own data: .npz, .npy and .csv files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.datasets.array_files import first_present, open_npy, open_npz, rows, rows_view
from gpunet.datasets.csv_file import read_csv
from gpunet.datasets.dataset import Dataset
from gpunet.datasets.labels import as_targets
from gpunet.datasets.split import check_fraction, hold_out

# Keras calls its arrays x_train, y_train, x_test, y_test.
_X = ("X", "x", "X_train", "x_train")
_Y = ("y", "Y", "y_train", "Y_train")
_X_TEST = ("X_test", "x_test")
_Y_TEST = ("y_test", "Y_test")
_SUFFIXES = (".npz", ".npy", ".csv")


def load(
    path: str | os.PathLike[str],
    *,
    target: str | int | os.PathLike[str] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    kind: str = "auto",
) -> Dataset:
    """Read training and test examples from a file (images: C1).

    Parameters
    ----------
    path : path
        ``.npz``: arrays X and y and, if there is a test set, X_test and y_test; the names that Keras
        uses (x_train, ...) work too. Images (m, height, width[, channels]) become rows; uint8
        images are scaled to numbers from 0 to 1.

        ``.npy``: X alone, memory-mapped, not copied or cast, so it may be larger than memory. Its last
        rows are the test set: shuffle the file first if its rows are sorted. uint8 pixels stay
        integers from 0 to 255.

        ``.csv``: UTF-8, commas; the first line is a header if none of its cells is a number or if
        `target` names one of them.
    target : str, int or path, optional
        ``.csv``: the target column, by name or number from 0; by default the last one. ``.npy``: the
        path of the file of y. ``.npz``: the name of the array of y, if it is not y.
    test_fraction : float, default 0.2
        Fraction of the examples for the test set, greater than 0 and less than 1, if the file has no test set.
    seed : int, default 0
        Chooses the test set (not for ``.npy``), stratified by class.
    kind : {"auto", "classes", "values"}, default "auto"
        Kind of the target. "auto": text is classes; integers (in arrays) are classes; other numbers are
        classes if all are whole and there are at most 20 distinct ones, else real values.

    Returns
    -------
    Dataset
        X (m, n) float32 (``.npy``: as in the file). y int64 (m,), classes numbered from 0 in sorted
        order, with their names in `class_names`; or float32 (m, k), k = 1 for one column of values.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged or does not hold the expected arrays; for CSV the message names line and column.
    """
    path = _existing(path)
    check_fraction(test_fraction)
    if path.suffix.lower() == ".npy":
        return _load_npy(path, target, test_fraction, kind)
    if path.suffix.lower() == ".npz":
        return _load_npz(path, target, test_fraction, seed, kind)
    if target is not None and not isinstance(target, str | int):
        raise TypeError(f"target of a .csv must be a column's name or number, got {target!r}")
    X, labels = read_csv(path, target=-1 if target is None else target, kind=kind)
    assert labels is not None  # a target was asked for
    y, class_names = as_targets(labels, kind, f"{path}: the target")
    train, test = hold_out(y, test_fraction, seed)
    return Dataset(X[train], y[train], X[test], y[test], path.stem, None, class_names)


def read_rows(path: str | os.PathLike[str], columns: Sequence[str | int] | None = None) -> NDArray[Any]:
    """Read rows without targets, to predict from.

    Parameters
    ----------
    path : path
        ``.npy`` (memory-mapped, not converted), ``.npz`` (its array X, or its only one) or ``.csv``;
        images become rows as in `load`.
    columns : sequence of str or int, optional
        ``.csv`` only: the columns to read, by name or number from 0; by default all of them.

    Returns
    -------
    array, shape (m, n)
        float32; for ``.npy`` as in the file.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it is damaged or does not hold rows of numbers.
    """
    path = _existing(path)
    if path.suffix.lower() == ".csv":
        return read_csv(path, columns=columns)[0]
    if columns is not None:
        raise ValueError(f"{path}: columns can be chosen in .csv files only; leave columns out")
    if path.suffix.lower() == ".npy":
        return rows_view(open_npy(path), f"{path}")
    arrays = open_npz(path)
    name = first_present(arrays, _X) or (next(iter(arrays)) if len(arrays) == 1 else None)
    if name is None:
        raise ValueError(f"{path}: expected an array called X, got {', '.join(arrays) or 'none'}; rename one")
    return rows(arrays[name], f"{path}: {name}")[0]


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path).expanduser()
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(_SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; check the path (now in {Path.cwd()})")
    return path


def _load_npz(path: Path, target: object, test_fraction: float, seed: int, kind: str) -> Dataset:
    arrays = open_npz(path)
    x_name = first_present(arrays, _X)
    y_name = first_present(arrays, _Y if target is None else (str(target),))
    x_test, y_test = first_present(arrays, _X_TEST), first_present(arrays, _Y_TEST)
    if x_name is None or y_name is None or (x_test is None) != (y_test is None):
        raise ValueError(
            f"{path}: expected arrays X and {target or 'y'} and, together, X_test and y_test, "
            f"got {', '.join(arrays) or 'none'}; rename them"
        )
    X, image_shape = rows(arrays[x_name], f"{path}: {x_name}")
    y = arrays[y_name]
    if y.ndim == 0 or len(y) != len(X):
        raise ValueError(f"{path}: {y_name} must have {len(X)} rows as {x_name} has, got shape {y.shape}")
    if x_test is None or y_test is None:
        y, class_names = as_targets(y, kind, f"{path}: {y_name}")
        train, test = hold_out(y, test_fraction, seed)
        return Dataset(X[train], y[train], X[test], y[test], path.stem, image_shape, class_names)
    X_test, test_shape = rows(arrays[x_test], f"{path}: {x_test}")
    if test_shape != image_shape:
        raise ValueError(
            f"{path}: {x_name} and {x_test} must have rows of the same shape, "
            f"got {arrays[x_name].shape} and {arrays[x_test].shape}"
        )
    test_targets = arrays[y_test]
    if y.shape[1:] != test_targets.shape[1:] or (y.dtype.kind in "US") != (test_targets.dtype.kind in "US"):
        raise ValueError(
            f"{path}: {y_name} and {y_test} must have the same kind and shape, got {y.dtype} {y.shape} and "
            f"{test_targets.dtype} {test_targets.shape}"
        )
    # Numbered together, so that a class has the same number in both sets.
    both, class_names = as_targets(np.concatenate([y, test_targets]), kind, f"{path}: {y_name}")
    return Dataset(X, both[: len(X)], X_test, both[len(X) :], path.stem, image_shape, class_names)


def _load_npy(path: Path, target: object, test_fraction: float, kind: str) -> Dataset:
    if not isinstance(target, str | os.PathLike):
        raise ValueError(f"{path}: name the .npy file of y with target=..., got {target!r}")
    found = open_npy(path)
    X = rows_view(found, f"{path}")
    y_path = _existing(target)
    if y_path.suffix.lower() != ".npy":
        raise ValueError(f"{y_path}: expected y in a .npy file as X is")
    y, class_names = as_targets(np.array(open_npy(y_path)), kind, f"{y_path}")
    if len(X) != len(y):
        raise ValueError(
            f"{path} has {len(X)} rows and {y_path} has {len(y)}: expected the same number; check that "
            "they belong together"
        )
    # A slice of a memory map is a view; a random choice of rows would be a copy.
    first = len(X) - round(len(X) * test_fraction)
    unseen = np.setdiff1d(y[first:], y[:first]) if class_names is not None else np.array([])
    if class_names is not None and len(unseen):
        raise ValueError(
            f"{path}: class {class_names[unseen[0]]} is only in the last rows, which are the test "
            "set; shuffle the rows of both files in the same way"
        )
    image_shape = found.shape[1:] if found.ndim > 2 else None
    return Dataset(X[:first], y[:first], X[first:], y[first:], path.stem, image_shape, class_names)
