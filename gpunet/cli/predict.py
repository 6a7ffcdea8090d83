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
from gpunet.cli.notes import class_names, feature_columns
from gpunet.files.atomic import write_atomically


def predict(options: Namespace) -> None:
    """Write one line per row: its class and the probability of that class, or its values."""
    network = gn.load(options.net, options.backend)
    columns = options.columns.split(",") if options.columns else feature_columns(network.notes, options.file)
    X = gn.datasets.read_rows(options.file, columns)
    inputs = network.inputs or 0
    if X.shape[1] != inputs:
        choose = X.shape[1] > inputs and options.file.lower().endswith(".csv")
        hint = f"; choose {inputs} with --columns" if choose else ""
        raise ValueError(f"{options.file} has {X.shape[1]} features, the network takes {inputs}{hint}")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table(network, network.predict(X)))
    if options.out is None:
        sys.stdout.write(text.getvalue())
    else:
        write_atomically(options.out, text.getvalue().encode())


def table(network: gn.Network, A: Any) -> Iterable[list[str]]:
    """A header, and one line for each row of predictions ``A (m, n[L])``."""
    units, activation = network.layers[-1].units, network.layers[-1].activation
    kind = network.notes.get("kind") or {"softmax": "classes", "sigmoid": "labels"}.get(
        str(activation), "values"
    )
    names = class_names(network.notes, units)
    if kind == "classes":
        if units == 1:
            A = np.concatenate([1.0 - A, A], axis=1)
        yield ["class", "probability" if activation in ("softmax", "sigmoid") else "output"]
        for k, row in zip(A.argmax(axis=1), A, strict=True):
            yield [names[k], f"{row[k]:.4f}"]
    elif kind == "labels":
        yield names[:units]
        for row in A:
            yield [f"{probability:.4f}" for probability in row]
    else:
        yield ["value"] if units == 1 else [f"value {k}" for k in range(units)]
        for row in A:
            yield [f"{value:.6g}" for value in row]
