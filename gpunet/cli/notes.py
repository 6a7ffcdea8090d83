"""What ``gpunet train`` saves with a network about its data, and how evaluate and predict use it."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpunet.cli.data import NAMED, DataOptions
from gpunet.datasets import Dataset
from gpunet.datasets.csv_file import read_header


def training_notes(options: Namespace, dataset: Dataset, kind: str) -> dict[str, Any]:
    """The notes of a network: data set, kind of targets, class names, and for a file its SHA-256 sum and columns."""
    notes: dict[str, Any] = {"data": dataset.name, "kind": kind}
    if dataset.class_names is not None:
        notes["class_names"] = list(dataset.class_names)
    if dataset.image_shape is not None:
        notes["image_shape"] = list(dataset.image_shape)
    if options.kind is not None:
        notes["source_kind"] = options.kind
    if options.what in NAMED:
        return notes
    notes |= {"sha256": _sha256(options.what), "test_fraction": options.test_fraction}
    target = options.target
    if target is not None:
        notes["target"] = target
    columns = csv_columns(options.what, target)
    if columns is not None:
        if target not in columns:
            target = columns[int(target or -1)]
        notes |= {"columns": [name for name in columns if name != target], "target": target}
    return notes


def evaluation_data(options: Namespace, notes: Mapping[str, Any]) -> tuple[DataOptions, bool]:
    """How to open the data to evaluate on, and whether they are the file that the network was trained on.

    Options that are not given are those of the training: the target and kind of a file, the kind of needles
    and, for the same file, the test fraction.
    """
    what, kind, target = options.what, options.kind, options.target
    if what in NAMED:
        if kind is None and what == "needles" and notes.get("data") == "needles":
            kind = notes.get("source_kind")
        return DataOptions(what, options.data, target, kind), False
    same_file = notes.get("sha256") is not None and notes["sha256"] == _sha256_if_readable(what)
    trained_kind = notes.get("kind")
    if kind is None and (
        trained_kind == "values" or (trained_kind == "classes" and notes.get("class_names"))
    ):
        kind = trained_kind
    if target is None:
        target = notes.get("target")
    fraction = notes["test_fraction"] if same_file else 0.2
    return DataOptions(what, options.data, target, kind, fraction), same_file


def class_names(notes: Mapping[str, Any], units: int) -> list[str]:
    """Names of the classes that the last layer's `units` stand for; numbers if the notes have no names."""
    return list(notes.get("class_names") or map(str, range(max(units, 2))))


def feature_columns(notes: Mapping[str, Any], path: str) -> list[str] | None:
    """The columns that the network was trained on, if this .csv file has all of them by name."""
    columns = notes.get("columns")
    if not columns:
        return None
    try:
        found = csv_columns(path, columns[0]) or []
    except OSError:
        return None  # reported when the rows are read
    return list(columns) if set(columns) <= set(found) else None


def csv_columns(path: str, target: str | None = None) -> list[str] | None:
    """The column names of a .csv file; None for other files, and for one without a header."""
    return read_header(Path(path), target) if Path(path).suffix.lower() == ".csv" else None


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_if_readable(path: str) -> str | None:
    try:
        return _sha256(path)
    except OSError:
        return None  # reported when the data are opened
