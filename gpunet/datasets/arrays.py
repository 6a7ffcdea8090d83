"""The user's own arrays: .npz and .npy files, and sparse rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import known_name
from gpunet.datasets.array_files import first_present, open_npy, open_npz, rows, rows_view
from gpunet.datasets.array_targets import as_targets
from gpunet.datasets.dataset import Dataset
from gpunet.datasets.sparse_files import (
    SVMLIGHT_SUFFIXES,
    is_sparse_npz,
    is_svmlight_file,
    read_sparse_npz,
    read_svmlight,
)
from gpunet.datasets.split import check_fraction, first_held_out, hold_out
from gpunet.datasets.table_files import is_table_file
from gpunet.inputs.arrays import require_finite
from gpunet.paths import file_path

# Keras has x_train, y_train, x_test, y_test; scikit-learn data, target; MedMNIST train_images, train_labels, ...
_X = ("X", "x", "X_train", "x_train", "train_images", "data", "images", "features")
_Y = ("y", "Y", "y_train", "Y_train", "train_labels", "target", "targets", "labels", "label")
_X_VAL = ("X_val", "x_val", "X_valid", "x_valid", "X_validation", "x_validation", "val_images")
_Y_VAL = ("y_val", "Y_val", "y_valid", "Y_valid", "y_validation", "Y_validation", "val_labels")
_X_TEST = ("X_test", "x_test", "test_images")
_Y_TEST = ("y_test", "Y_test", "test_labels")
LARGEST_PIXEL = 2.0  # of images from 0 to 1, some of which may have become brighter
_SUFFIXES = (".npz", ".npy", *SVMLIGHT_SUFFIXES)


def load(
    path: str | os.PathLike[str],
    *,
    target: str | os.PathLike[str] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    kind: str = "auto",
    dtype: str = "float32",
    inputs: int | None = None,
    first_feature: int | None = None,
) -> Dataset:
    """Read training and test examples from a file of arrays (images: C1); `read_table` reads tables.

    Parameters
    ----------
    path : path
        ``.npz``: arrays X and y and, if there are such sets, X_test and y_test, X_val and y_val; the names of Keras
        (x_train, ...), scikit-learn (data, target) and MedMNIST (train_images, train_labels, ...) work too. Images
        (m, height, width[, channels]) become rows; uint8 images are scaled to numbers from 0 to 1. Other arrays are
        named in the `notes` of the data set.

        ``.npy``: X alone, memory-mapped, not copied or cast, so it may be larger than memory. Its last
        rows are the test set: shuffle the file first if its rows are sorted. uint8 pixels stay
        integers from 0 to 255.

        Sparse rows, which stay sparse: an ``.npz`` that ``scipy.sparse.save_npz`` wrote, X alone; or a file in
        svmlight's (libsvm's) format, X and y (``.svm``, ``.svmlight``, ``.libsvm``, also with ``.gz`` or ``.bz2``).
    target : str or path, optional
        ``.npy`` and sparse rows in ``.npz``: the path of the ``.npy`` file of y. Other ``.npz``: the name of the array
        of y, if it is not y.
    test_fraction : float, default 0.2
        Fraction of the examples for the test set, greater than 0 and less than 1, if the file has no test set.
    seed : int, default 0
        Chooses the test set (not for ``.npy``), stratified by class.
    kind : {"auto", "classes", "values"}, default "auto"
        Kind of the target; the rule is that of `gpunet.tables.Target`.
    dtype : {"float32", "float64"}
        Of X, for all but ``.npy``.
    inputs : int, optional
        Features that X gets, for svmlight; by default, as many as occur in the file.
    first_feature : {0, 1}, optional
        The number of the first feature, for svmlight; by default 0 where a feature 0 occurs, else 1.

    Returns
    -------
    Dataset
        X (m, n) (``.npy``: as in the file). y int64 (m,), classes numbered from 0, with their names in `class_names`;
        or float64 (m, k), k = 1 for one column of values.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged or does not hold the expected arrays, or X of an ``.npz`` holds NaN or infinity.
    ImportError
        If SciPy (sparse ``.npz``) or scikit-learn (svmlight) is not installed.
    """
    path = _existing(path)
    check_fraction(test_fraction)
    known_name("dtype", dtype, ("float32", "float64"))
    if path.suffix.lower() == ".npy":
        return _load_npy(path, target, test_fraction, kind)
    if is_svmlight_file(str(path)):
        if target is not None:
            raise ValueError(f"{path}: its targets are in the file itself, got target={target!r}")
        found = read_svmlight(path, dtype, inputs, first_feature)
        y, class_names = as_targets(found.y, kind, f"{path}")
        names = class_names or found.labels
        return _sparse_dataset(path, found.X, y, names, test_fraction, seed, found.first)
    arrays = open_npz(path)
    if is_sparse_npz(arrays):
        X = read_sparse_npz(path, dtype)
        y, class_names = _target_file(path, target, kind, X.shape[0])
        return _sparse_dataset(path, X, y, class_names, test_fraction, seed)
    return _load_npz(path, arrays, target, test_fraction, seed, kind, dtype)


def has_test_set(path: str) -> bool:
    """Whether a file that `load` has read has a test set of its own: an ``.npz``, by the names of its arrays."""
    if not path.lower().endswith(".npz"):
        return False
    with np.load(Path(path).expanduser(), allow_pickle=False) as arrays:
        return _part(arrays, _X_TEST, _Y_TEST) is not None


def read_rows(
    path: str | os.PathLike[str],
    *,
    dtype: str = "float32",
    inputs: int | None = None,
    first_feature: int | None = None,
) -> Any:
    """Read rows without targets, to predict from.

    Parameters
    ----------
    path : path
        ``.npy`` (memory-mapped, not converted), or ``.npz`` (its array X, or its only one); images become rows as in
        `load`. Sparse rows as in `load`; labels in a svmlight file are not used.
    dtype : {"float32", "float64"}
        Of the rows, for all but ``.npy``.
    inputs, first_feature : int, optional
        For svmlight, as in `load`.

    Returns
    -------
    array or scipy.sparse.csr_array, shape (m, n)

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it is damaged or does not hold rows of numbers.
    ImportError
        As in `load`.
    """
    path = _existing(path)
    if path.suffix.lower() == ".npy":
        return rows_view(open_npy(path), f"{path}")
    if is_svmlight_file(str(path)):
        return read_svmlight(path, dtype, inputs, first_feature).X
    arrays = open_npz(path)
    if is_sparse_npz(arrays):
        return read_sparse_npz(path, dtype)
    name = first_present(arrays, _X) or (next(iter(arrays)) if len(arrays) == 1 else None)
    if name is None:
        raise ValueError(f"{path}: expected an array called X, got {', '.join(arrays) or 'none'}; rename one")
    return rows(arrays[name], f"{path}: {name}", dtype)[0]


def _existing(path: str | os.PathLike[str]) -> Path:
    path = file_path("path", path).expanduser()
    if is_table_file(str(path)):
        raise ValueError(f"{path} is a table: read it with gpunet.datasets.read_table")
    if path.suffix.lower() not in _SUFFIXES and not is_svmlight_file(str(path)):
        raise ValueError(f"{path}: expected a file that ends in {', '.join(_SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; check the path (now in {Path.cwd()})")
    return path


class _Part(NamedTuple):
    """Names of the arrays of one set of examples."""

    X: str
    y: str


def _sparse_dataset(
    path: Path, X: Any, y: Any, class_names: Any, test_fraction: float, seed: int, first: int | None = None
) -> Dataset:
    """Sparse rows and their targets, split."""
    train, held = hold_out(y, test_fraction, seed)
    note = f"sparse rows, {X.nnz / X.shape[0]:.1f} numbers an example"
    return Dataset(
        *(X[train], y[train], X[held], y[held], path.name.partition(".")[0]),
        class_names=class_names,
        notes=(note,),
        first_feature=first,
    )


def _load_npz(
    path: Path,
    arrays: Mapping[str, Any],
    target: object,
    test_fraction: float,
    seed: int,
    kind: str,
    dtype: str,
) -> Dataset:
    training = _part(arrays, _X, _Y if target is None else (str(target),))
    if training is None:
        raise ValueError(
            f"{path}: expected arrays X and {target or 'y'}, got {', '.join(arrays) or 'none'}; rename them"
        )
    test, validation = _part(arrays, _X_TEST, _Y_TEST), _part(arrays, _X_VAL, _Y_VAL)
    for names, part, what in ((_X_TEST + _Y_TEST, test, "test"), (_X_VAL + _Y_VAL, validation, "val")):
        if part is None and (found := first_present(arrays, names)) is not None:
            raise ValueError(
                f"{path}: expected X_{what} and y_{what} together, got {found} alone; rename or add one"
            )
    parts = [part for part in (training, test, validation) if part is not None]
    used = {name for part in parts for name in part}
    notes = tuple(f"left out: the array {name}" for name in arrays if name not in used)
    X, image_shape = _examples(path, arrays, training, dtype)
    others = [_examples(path, arrays, part, dtype) for part in parts[1:]]
    for part, (other, shape) in zip(parts[1:], others, strict=True):
        if shape != image_shape:
            raise ValueError(
                f"{path}: {training.X} and {part.X} must have rows of the same shape, "
                f"got {arrays[training.X].shape} and {arrays[part.X].shape}"
            )
        _require_alike(path, arrays, training, part)
        _require_same_pixels(path, arrays, {training.X: X, part.X: other})
    # Numbered together, so that a class has the same number in all sets.
    all_targets = np.concatenate([_column(arrays[part.y]) for part in parts])
    numbered, class_names = as_targets(all_targets, kind, f"{path}", training.y)
    y, *other_y = np.split(numbered, np.cumsum([len(arrays[part.y]) for part in parts])[:-1])
    sets = dict(zip(parts[1:], zip([X for X, _ in others], other_y, strict=True), strict=True))
    X_val, y_val = (None, None) if validation is None else sets[validation]
    if test is not None:
        X_test, y_test = sets[test]
    else:
        train, held = hold_out(y, test_fraction, seed)
        X, X_test, y, y_test = X[train], X[held], y[train], y[held]
    return Dataset(X, y, X_test, y_test, path.stem, image_shape, class_names, X_val, y_val, notes)


def _part(arrays: Mapping[str, Any], x_names: tuple[str, ...], y_names: tuple[str, ...]) -> _Part | None:
    x_name, y_name = first_present(arrays, x_names), first_present(arrays, y_names)
    return None if x_name is None or y_name is None else _Part(x_name, y_name)


def _examples(
    path: Path, arrays: Mapping[str, Any], part: _Part, dtype: str
) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Rows of one set, and the shape of an image."""
    where = f"{path}: {part.X}"
    X, image_shape = rows(arrays[part.X], where, dtype)
    require_finite(
        np, where, X
    )  # before the rows are shuffled, so that the message counts them as the file does
    y = arrays[part.y]
    if y.ndim == 0 or len(y) != len(X):
        raise ValueError(f"{path}: {part.y} must have {len(X)} rows as {part.X} has, got shape {y.shape}")
    return X, image_shape


def _require_alike(path: Path, arrays: Mapping[str, Any], training: _Part, part: _Part) -> None:
    y, other = _column(arrays[training.y]), _column(arrays[part.y])
    if y.shape[1:] != other.shape[1:] or (y.dtype.kind in "US") != (other.dtype.kind in "US"):
        raise ValueError(
            f"{path}: {training.y} and {part.y} must have the same kind and shape, got {y.dtype} {y.shape} and "
            f"{other.dtype} {other.shape}"
        )


def _require_same_pixels(path: Path, arrays: Mapping[str, Any], sets: dict[str, NDArray[Any]]) -> None:
    """Raise a ValueError if images of uint8, which are divided by 255, stand beside others that are not from 0 to 1."""
    divided = [name for name in sets if arrays[name].dtype == np.uint8 and arrays[name].ndim > 2]
    for name in sets.keys() - divided:
        if divided and (largest := sets[name].max()) > LARGEST_PIXEL:
            raise ValueError(
                f"{path}: {divided[0]} has pixels of uint8, which are divided by 255, and {name} has values up to "
                f"{largest:g} of {arrays[name].dtype}: save both as uint8, or both from 0 to 1"
            )


def _column(y: NDArray[Any]) -> NDArray[Any]:
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _target_file(path: Path, target: object, kind: str, m: int) -> tuple[Any, tuple[str, ...] | None]:
    """The targets of the `m` rows of a file without targets, from a .npy file."""
    if not isinstance(target, str | os.PathLike):
        raise ValueError(f"{path} holds no targets: name the .npy file of y with target=…, got {target!r}")
    if Path(target).suffix.lower() != ".npy":
        raise ValueError(f"{target}: expected y in a .npy file")
    y_path = _existing(target)
    y, class_names = as_targets(np.array(open_npy(y_path)), kind, f"{y_path}")
    if m != len(y):
        raise ValueError(
            f"{path} has {m} rows and {y_path} has {len(y)}: expected the same number; check that "
            "they belong together"
        )
    return y, class_names


def _load_npy(path: Path, target: object, test_fraction: float, kind: str) -> Dataset:
    found = open_npy(path)
    X = rows_view(found, f"{path}")
    y, class_names = _target_file(path, target, kind, len(X))
    # A slice of a memory map is a view; a random choice of rows would be a copy.
    remedy = "shuffle the rows of both files in the same way"
    first = first_held_out(y, class_names, test_fraction, f"{path}", remedy)
    image_shape = found.shape[1:] if found.ndim > 2 else None
    return Dataset(X[:first], y[:first], X[first:], y[first:], path.stem, image_shape, class_names)
