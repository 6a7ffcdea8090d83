"""Which data a command line names, and what they are."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.datasets import Dataset

NAMED = ("digits", "mnist", "fashion", "needles")
SUFFIXES = (".csv", ".npz", ".npy")


def open_data(
    what: str,
    *,
    folder: Path | None = None,
    target: str | None = None,
    kind: str | None = None,
    test_fraction: float = 0.2,
) -> Dataset:
    """The data that `what` names: one of `NAMED`, or a file.

    Raises
    ------
    ValueError
        If it names nothing, or an option does not go with it.
    """
    if what not in NAMED and Path(what).suffix.lower() not in SUFFIXES:
        near = difflib.get_close_matches(what.lower(), NAMED, 1)
        raise ValueError(
            f"unknown data {what!r}: give {', '.join(NAMED)}, or a file that ends in {', '.join(SUFFIXES)}"
            + (f". Did you mean {near[0]!r}?" if near else "")
        )
    if folder is not None and what not in ("mnist", "fashion"):
        raise ValueError(f"--data names the folder of mnist or fashion; {what} needs none")
    if target is not None and what in NAMED:
        raise ValueError(f"--target goes with a file; {what} knows its own")
    if kind is not None and what in NAMED and what != "needles":
        raise ValueError(f"--kind goes with needles or a file; {what} has only one")
    if what == "digits":
        return gn.datasets.digits()
    if what == "mnist":
        return gn.datasets.mnist(folder)
    if what == "fashion":
        return gn.datasets.fashion(folder)
    if what == "needles":
        return gn.datasets.needles(kind or "one")
    return gn.datasets.load(what, target=target, kind=kind or "auto", test_fraction=test_fraction)


def meaning(dataset: Dataset) -> str:
    """What the targets are: "classes" (one of several), "labels" (several at once) or "values"."""
    y = np.concatenate([dataset.y, dataset.y_test])
    if y.ndim == 1:
        return "classes"
    if (y.shape[1] == 1 and dataset.class_names is None) or not np.isin(y, (0, 1)).all():
        return "values"
    return "classes" if (y.sum(axis=1) == 1).all() and dataset.class_names is None else "labels"


def describe(dataset: Dataset, kind: str) -> str:
    """Name, sizes and kind of a data set, in two lines."""
    shape = dataset.image_shape
    features = f"{dataset.X.shape[1]:,} features"
    if shape is not None:
        features = f"images of {' × '.join(map(str, shape))} pixels"
    names = dataset.class_names
    goal = f"{dataset.y.shape[1]} value(s)" if kind == "values" else kind
    if names:
        listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        goal = f"{len(names)} {kind}: {listed}"
    return (
        f"{dataset.name}: {len(dataset.X):,} examples to train on, {len(dataset.X_test):,} to test on\n"
        f"{features}; {goal}"
    )


def fingerprint(path: str) -> str:
    """SHA-256 of a file: says whether it is the one that a network was trained on."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def header(path: str, target: str | None = None) -> list[str] | None:
    """The column names of a .csv; None for a file that has none."""
    from gpunet.datasets.csv_file import _is_header, _records

    if Path(path).suffix.lower() != ".csv":
        return None
    with open(path, newline="", encoding="utf-8-sig") as file:
        _, first = next(_records(file, Path(path)), (0, []))
    return first if _is_header(first, [] if target is None else [target]) else None


def class_numbers(dataset: Dataset, y: Any, names: list[str], where: str) -> Any:
    """`y`, numbered as in a network whose classes are `names`, not as in `dataset`.

    Raises
    ------
    ValueError
        If there is a class that the network does not know.
    """
    if dataset.class_names is None or y.ndim != 1 or list(dataset.class_names) == names:
        return y
    unknown = [name for name in dataset.class_names if name not in names]
    if unknown:
        raise ValueError(
            f"{where} holds the class {unknown[0]!r}, which the network does not know: it tells apart "
            f"{', '.join(names)}"
        )
    return np.array([names.index(name) for name in dataset.class_names])[y]
