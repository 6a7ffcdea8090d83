"""The data that a command line names: opened, classified and described."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import gpunet as gn
from gpunet.datasets import Dataset

NAMED = ("digits", "mnist", "fashion", "needles")
SUFFIXES = (".csv", ".npz", ".npy")


class DataOptions(NamedTuple):
    """What a command line says about the data.

    Attributes
    ----------
    what : str
        One of `NAMED`, or the path of a file.
    folder : Path or None
        ``--data``: the folder of mnist or fashion.
    target : str or None
        ``--target``: of a file.
    kind : str or None
        ``--kind``: of needles or a file.
    test_fraction : float
        ``--test-fraction``: of a file.
    """

    what: str
    folder: Path | None = None
    target: str | None = None
    kind: str | None = None
    test_fraction: float = 0.2


def open_data(options: DataOptions) -> Dataset:
    """Read or generate the data.

    Raises
    ------
    ValueError
        If the name is unknown, or an option does not apply to these data.
    """
    what = options.what
    if what not in NAMED and Path(what).suffix.lower() not in SUFFIXES:
        near = difflib.get_close_matches(what.lower(), NAMED, 1)
        raise ValueError(
            f"unknown data {what!r}: give {', '.join(NAMED)}, or a file that ends in {', '.join(SUFFIXES)}"
            + (f". Did you mean {near[0]!r}?" if near else "")
        )
    if options.folder is not None and what not in ("mnist", "fashion"):
        raise ValueError(f"--data is the folder of mnist or fashion; {what} does not take it")
    if options.target is not None and what in NAMED:
        raise ValueError(f"--target applies to files only, not to {what}")
    if options.kind is not None and what in NAMED and what != "needles":
        raise ValueError(f"--kind applies to needles and files only, not to {what}")
    if what == "digits":
        return gn.datasets.digits()
    if what == "mnist":
        return gn.datasets.mnist(options.folder)
    if what == "fashion":
        return gn.datasets.fashion(options.folder)
    if what == "needles":
        return gn.datasets.needles(options.kind or "one")
    return gn.datasets.load(
        what, target=options.target, kind=options.kind or "auto", test_fraction=options.test_fraction
    )


def target_kind(dataset: Dataset) -> str:
    """Kind of the targets: "classes" (exclusive), "labels" (several at once) or "values" (real numbers)."""
    y = np.concatenate([dataset.y, dataset.y_test])
    if y.ndim == 1:
        return "classes"
    if (y.shape[1] == 1 and dataset.class_names is None) or not np.isin(y, (0, 1)).all():
        return "values"
    return "classes" if (y.sum(axis=1) == 1).all() and dataset.class_names is None else "labels"


def describe(dataset: Dataset, kind: str) -> str:
    """Name, sizes, features and targets of a data set, in two lines."""
    shape, names = dataset.image_shape, dataset.class_names
    features = f"{dataset.X.shape[1]:,} features"
    if shape is not None:
        features = f"images of {' × '.join(map(str, shape))} pixels"
    if names:
        listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        targets = f"{len(names)} {kind}: {listed}"
    elif kind == "values":
        targets = "1 value" if dataset.y.shape[1] == 1 else f"{dataset.y.shape[1]} values"
    else:
        targets = f"{dataset.y.shape[1]} {kind}"
    return (
        f"{dataset.name}: {len(dataset.X):,} training examples, {len(dataset.X_test):,} test examples\n"
        f"{features}; {targets}"
    )


def class_numbers(dataset: Dataset, y: Any, names: list[str], where: str) -> Any:
    """Class numbers `y` of a data set, renumbered to the network's class names.

    Raises
    ------
    ValueError
        If the network was not trained on one of the classes.
    """
    if dataset.class_names is None or y.ndim != 1 or list(dataset.class_names) == names:
        return y
    unknown = [name for name in dataset.class_names if name not in names]
    if unknown:
        raise ValueError(
            f"{where} has the class {unknown[0]!r}, which the network was not trained on; its classes are "
            f"{', '.join(names)}"
        )
    return np.array([names.index(name) for name in dataset.class_names])[y]
