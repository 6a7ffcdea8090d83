"""``gpunet predict``: a saved network on rows without targets."""

from __future__ import annotations

import csv
import io
import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.cli.data import header
from gpunet.files.atomic import write_atomically


def predict(options: Namespace) -> None:
    """Write one line for each row: its class and that class's probability, or its values."""
    network = gn.load(options.net, options.backend)
    columns = options.columns.split(",") if options.columns else _same_columns(network, options.file)
    X = gn.datasets.read_rows(options.file, columns)
    inputs = network.inputs or 0
    if X.shape[1] != inputs:
        hint = (
            f"; choose {inputs} with --columns"
            if X.shape[1] > inputs and options.file.endswith(".csv")
            else ""
        )
        raise ValueError(f"{options.file} has {X.shape[1]} features, the network takes {inputs}{hint}")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table(network, network.predict(X)))
    if options.out is None:
        sys.stdout.write(text.getvalue())
    else:
        write_atomically(options.out, text.getvalue().encode())


def table(network: gn.Network, A: Any) -> Iterable[list[str]]:
    """A header, and a line for each row of predictions ``A (m, n[L])``."""
    units, activation = network.layers[-1].units, network.layers[-1].activation
    kind = network.notes.get("kind") or {"softmax": "classes", "sigmoid": "labels"}.get(activation, "values")
    names = network.notes.get("class_names") or [str(k) for k in range(max(units, 2))]
    if kind == "classes":
        if units == 1:
            A = np.concatenate([1.0 - A, A], axis=1)
        best = A.argmax(axis=1)
        certain = "probability" if activation in ("softmax", "sigmoid") else "output"
        yield ["class", certain]
        for k, row in zip(best, A, strict=True):
            yield [names[k], f"{row[k]:.4f}"]
    elif kind == "labels":
        yield names[:units]
        for row in A:
            yield [f"{probability:.4f}" for probability in row]
    else:
        yield ["value"] if units == 1 else [f"value {k}" for k in range(units)]
        for row in A:
            yield [f"{value:.6g}" for value in row]


def _same_columns(network: gn.Network, path: str) -> list[str] | None:
    """The columns that the network was trained on, if this file has them all by name."""
    columns = network.notes.get("columns")
    if not columns or not path.lower().endswith(".csv"):
        return None
    try:
        found = header(path, columns[0]) or []
    except OSError:
        return None  # said when it is read
    return list(columns) if set(columns) <= set(found) else None
