"""Data of the user's own: .npz, .npy and .csv files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.datasets.array_files import named, open_npy, open_npz, rows, rows_in_place
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
    """Read a file of your own (claim C1 for images).

    Parameters
    ----------
    path : path
        ``.npz``: arrays X and y and, if there is a test set, X_test and y_test; Keras' names
        (x_train, ...) will do. Images (m, height, width[, channels]) become rows; uint8 images
        become fractions from 0 to 1.

        ``.npy``: X alone, memory-mapped and never copied or cast, so it may be larger than the
        memory. Its last rows are the test set: shuffle the file first if its rows are in order.
        uint8 pixels stay from 0 to 255.

        ``.csv``: UTF-8, commas; the first line is a header if none of its cells is a number or if
        it holds the name that `target` asks for.
    target : str, int or path, optional
        ``.csv``: the target column, a name or a number from 0; the last one if left out. ``.npy``:
        the path of y's file. ``.npz``: the name of y's array, if it is another.
    test_fraction : float, default 0.2
        The test set's share, greater than 0 and less than 1, where the file brings no test set.
    seed : int, default 0
        Chooses the test set (not for ``.npy``); each class gives its share.
    kind : {"auto", "classes", "values"}, default "auto"
        What the target is. "auto": text is classes; integers (in arrays) are classes; other numbers
        are classes if all are whole and at most 20 different ones, else values.

    Returns
    -------
    Dataset
        X (m, n) float32 (``.npy``: as in the file). y int64 (m,), classes numbered from 0 in sorted
        order and called by `class_names`; or float32 (m, k), k = 1 for one column of values.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged or does not hold what is expected; a CSV's line and column are named.
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
    """Read rows to predict from: a file without targets.

    Parameters
    ----------
    path : path
        ``.npy`` (memory-mapped, as it is), ``.npz`` (its array X, or its only one) or ``.csv``;
        images become rows as `load` makes them.
    columns : sequence of str or int, optional
        ``.csv`` only: the columns to read, by name or number from 0; all of them if left out.

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
        return rows_in_place(open_npy(path), f"{path}")
    arrays = open_npz(path)
    name = named(arrays, _X) or (next(iter(arrays)) if len(arrays) == 1 else None)
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
    x_name = named(arrays, _X)
    y_name = named(arrays, _Y if target is None else (str(target),))
    x_test, y_test = named(arrays, _X_TEST), named(arrays, _Y_TEST)
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
            f"{path}: {x_name} and {x_test} must have rows alike, "
            f"got {arrays[x_name].shape} and {arrays[x_test].shape}"
        )
    y_apart = arrays[y_test]
    if y.shape[1:] != y_apart.shape[1:] or (y.dtype.kind in "US") != (y_apart.dtype.kind in "US"):
        raise ValueError(
            f"{path}: {y_name} and {y_test} must be alike, got {y.dtype} {y.shape} and "
            f"{y_apart.dtype} {y_apart.shape}"
        )
    # Together, so that a class has one number in both.
    both, class_names = as_targets(np.concatenate([y, y_apart]), kind, f"{path}: {y_name}")
    return Dataset(X, both[: len(X)], X_test, both[len(X) :], path.stem, image_shape, class_names)


def _load_npy(path: Path, target: object, test_fraction: float, kind: str) -> Dataset:
    if not isinstance(target, str | os.PathLike):
        raise ValueError(f"{path}: name the .npy file of y with target=..., got {target!r}")
    found = open_npy(path)
    X = rows_in_place(found, f"{path}")
    y_path = _existing(target)
    if y_path.suffix.lower() != ".npy":
        raise ValueError(f"{y_path}: expected y in a .npy file as X is")
    y, class_names = as_targets(np.array(open_npy(y_path)), kind, f"{y_path}")
    if len(X) != len(y):
        raise ValueError(
            f"{path} has {len(X)} rows and {y_path} has {len(y)}: expected as many; check that "
            "they belong together"
        )
    # A slice of a memory map is a view; a random choice of rows would be a copy.
    first = len(X) - round(len(X) * test_fraction)
    late = np.setdiff1d(y[first:], y[:first]) if class_names is not None else np.array([])
    if class_names is not None and len(late):
        raise ValueError(
            f"{path}: class {class_names[late[0]]} is only in the last rows, which are the test "
            "set; shuffle the rows of both files in the same way"
        )
    image_shape = found.shape[1:] if found.ndim > 2 else None
    return Dataset(X[:first], y[:first], X[first:], y[first:], path.stem, image_shape, class_names)
