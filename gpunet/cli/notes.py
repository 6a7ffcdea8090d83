"""What ``gpunet train`` saves with a network about its data, and how evaluate and predict use it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.cli.data import NAMED, DataOptions
from gpunet.cli.source import Source
from gpunet.datasets.arrays import LARGEST_PIXEL
from gpunet.datasets.parquet_rows import is_parquet
from gpunet.datasets.table_files import STANDARD_INPUT
from gpunet.inputs.blocks.sliced import Sliced
from gpunet.tables import Table

SAMPLE = 1000  # images that tell the range of pixels


def training_notes(options: Namespace, source: Source) -> dict[str, Any]:
    """The notes of a network: data set, kind of targets, class names, and for a file its SHA-256 sum and columns."""
    notes: dict[str, Any] = {"data": source.name, "kind": source.kind}
    if source.class_names is not None:
        notes["class_names"] = list(source.class_names)
    if source.image_shape is not None:
        notes["image_shape"] = list(source.image_shape)
        notes["pixels"] = pixels_of(source.training.X)
    if options.kind is not None:
        notes["source_kind"] = options.kind
    if options.what in NAMED:
        return notes
    notes |= {"sha256": _sha256(options.what), "test_fraction": DataOptions.of(options).held_out}
    if source.is_table:
        table = source.training.X
        notes |= {"columns": table.columns, "target": table.target}
    elif isinstance(source.training.X, Sliced):
        names = list(source.training.X.column_names or ())
        notes |= {"columns": names, "target": source.unit, "by_blocks": True}
    elif source.first_feature is not None:
        notes["first_feature"] = source.first_feature
    elif options.target is not None:
        notes["target"] = options.target
    return notes


def pixels_of(X: Any) -> str | None:
    """The range of the pixels of rows X: of uint8, or of what the readers of images make of that; None for others."""
    if X.dtype == np.uint8:
        return "from 0 to 255"
    some = X[:SAMPLE]
    return "from 0 to 1" if some.dtype.kind == "f" and some.min() >= 0 and some.max() <= 1 else None


def require_same_pixels(network: gn.Network, X: Any, where: str) -> None:
    """Raise a ValueError if the network was trained on pixels of another range than those of rows X."""
    known = network.notes.get("pixels")
    if known is None or not isinstance(X, np.ndarray):
        return
    found = pixels_of(X)
    if found is None and known == "from 0 to 1" and (largest := X[:SAMPLE].max()) > LARGEST_PIXEL:
        raise ValueError(
            f"{where} has values up to {largest:g}, and the network was trained on pixels {known}: divide "
            "them as those of the training were, pixels of uint8 by 255"
        )
    if found is None or found == known:
        return
    remedy = (
        "give them as X in an .npz file, where uint8 is divided by 255"
        if known == "from 0 to 1"
        else "give them as uint8 in a .npy file, where they stay as they are"
    )
    raise ValueError(f"{where} has pixels {found}, and the network was trained on pixels {known}: {remedy}")


def evaluation_data(options: Namespace, network: gn.Network) -> tuple[DataOptions, bool]:
    """How to open the data to evaluate on, and whether they are the file that the network was trained on.

    Options that are not given are those of the training: target, kind and words for missing cells of a file, the kind
    of needles and, for the same file, the test fraction.
    """
    notes, data = network.notes, DataOptions.of(options, dtype=network.dtype)
    if data.what in NAMED:
        if data.kind is None and data.what == "needles" and notes.get("data") == "needles":
            data = data._replace(kind=notes.get("source_kind"))
        return data, False
    sha256 = notes.get("sha256")
    same_file = sha256 is not None and sha256 == _sha256_if_readable(data.what)
    kind = network.target.kind if network.target is not None else notes.get("kind")
    if data.kind is None and (kind == "values" or (kind == "classes" and class_names(network, 0))):
        data = data._replace(kind=kind)
    if data.target is None:
        name = network.target.name if network.target is not None and network.encoder is not None else None
        target = notes.get("target", name)
        # The targets of other rows are in another file than those of the training.
        in_another_file = Path(str(target)).suffix.lower() == ".npy" and not same_file
        data = data._replace(target=None if in_another_file else target)
    if network.encoder is not None:
        data = data._replace(by_blocks=False)
    elif is_parquet(data.what):
        by_blocks = bool(notes.get("by_blocks")) if same_file else None
        data = data._replace(by_blocks=by_blocks, columns=network.columns or notes.get("columns"))
    return data._replace(
        test_fraction=notes["test_fraction"] if same_file else None,
        inputs=network.inputs,
        first_feature=notes.get("first_feature"),
    ), same_file


def class_names(network: gn.Network, units: int) -> list[str]:
    """Names of the classes that the last layer's `units` stand for; numbers if the network knows no names."""
    names = network.class_names or network.notes.get("class_names")
    return list(names or (map(str, range(max(units, 2))) if units else ()))


def kind_of(network: gn.Network) -> str:
    """What the outputs are: classes, labels or values."""
    if network.target is not None:
        return network.target.kind
    activation = network.layers[-1].activation
    by_activation = {"softmax": "classes", "sigmoid": "labels"}.get(str(activation), "values")
    return str(network.notes.get("kind") or by_activation)


def by_training_names(table: Table, notes: Mapping[str, Any]) -> Table:
    """A table without a header gets the names of training, and says so in its notes.

    Its first row is a header all the same, if these names are among its cells, which all differ, and no other row is
    like it.

    Raises
    ------
    ValueError
        If it has more columns than that, or fewer.
    """
    names = notes.get("columns")
    unnamed = all(re.fullmatch(r"column \d+", name) for name in table.columns)
    if not names or not unnamed or set(names) <= set(table.columns):
        return table
    others = tuple(note for note in table.notes if not note.startswith("no header"))
    first = table.frame.row(0)
    found = ["" if cell is None else str(cell) for cell in first]
    header = set(names) <= set(found) and len(set(found)) == len(found)
    if header and len(table) > 1 and table.frame.rows().count(first) == 1:
        return dataclasses.replace(table.take(np.arange(1, len(table))).renamed(found), notes=others)
    _require_count(table, len(names))
    note = f"no header: columns taken as {', '.join(names)}"
    return dataclasses.replace(table.renamed(names), notes=(*others, note))


def inputs_of(network: gn.Network, table: Table) -> Any:
    """What a network predicts from: the table itself, or its numbers if the network has no encoder.

    Raises
    ------
    ValueError
        If a column is absent, or the number of columns is wrong; or the range of pixels.
    """
    if network.encoder is not None:
        return table
    columns = network.columns or network.notes.get("columns")
    if columns and set(columns) <= set(table.columns):
        return table.numbers(columns)
    _require_count(table, network.inputs or 0)
    X = table.numbers()
    require_same_pixels(network, X, table.name)
    return X


def _require_count(table: Table, inputs: int) -> None:
    found = len(table.columns)
    if found != inputs:
        hint = f"; choose {inputs} with --columns" if found > inputs else ""
        raise ValueError(f"{table.name} has {found} features, the network takes {inputs}{hint}")


def extra_columns(network: gn.Network, table: Table) -> str | None:
    """A line that names the columns that the network ignores, if there are any."""
    if network.encoder is None:
        return None
    target = network.target and network.target.name
    extra = [name or "unnamed column" for name in network.encoder.extra_columns(table) if name != target]
    return f"ignored, because the training had none such: {', '.join(extra)}" if extra else None


def _sha256(path: str) -> str | None:
    if path == STANDARD_INPUT:
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_if_readable(path: str) -> str | None:
    try:
        return _sha256(path)
    except OSError:
        return None  # reported when the data are opened
