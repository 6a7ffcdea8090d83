"""``gpunet predict``: a saved network on rows without targets."""

from __future__ import annotations

import csv
import io
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.cli.data import NAMED, TABLE_OPTIONS, DataOptions, read_table, reads_by_blocks
from gpunet.cli.notes import (
    by_training_names,
    class_names,
    extra_columns,
    inputs_of,
    kind_of,
    require_same_pixels,
)
from gpunet.cli.output import require_output
from gpunet.cli.saved import saved_network
from gpunet.datasets.parquet_rows import rows_of_parquet
from gpunet.datasets.table_files import is_table_file
from gpunet.files.atomic import write_atomically


def predict(options: Namespace) -> None:
    """Write one line per row: its class and the probability of that class, or its values."""
    if options.out is not None:
        require_output("--out", options.out, (options.net, options.file))
    if options.file in NAMED:
        raise ValueError(
            f"predict reads the rows of a file, and {options.file} is a data set with targets: gpunet evaluate "
            f"{options.net} {options.file} tests the network on it"
        )
    network = saved_network(options, options.backend)
    if options.probabilities and kind_of(network) == "values":
        raise ValueError("--probabilities applies to classes only; this network predicts values")
    X, notes = _inputs(network, options)
    with warnings.catch_warnings(action="ignore", category=gn.ColumnsIgnored):  # among the notes
        A = network.predict(X)
    for note in notes:
        print(f"gpunet: {note}", file=sys.stderr)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table(network, A, probabilities=options.probabilities))
    if options.out is None:
        sys.stdout.write(text.getvalue())
    else:
        write_atomically(options.out, text.getvalue().encode())


def _inputs(network: gn.Network, options: Namespace) -> tuple[Any, list[str]]:
    """The rows of a file, and what is to be said about them."""
    if not is_table_file(options.file):
        for name in TABLE_OPTIONS:
            if getattr(options, name, None) is not None:
                raise ValueError(f"--{name} applies to tables only, not to {options.file}")
        if network.encoder is not None:
            raise ValueError(
                f"{options.net} was trained on a table and reads its columns by name; {options.file} holds arrays: "
                f"give a table with the columns {', '.join(network.encoder.columns)}"
            )
        X = gn.datasets.read_rows(
            options.file,
            dtype=network.dtype,
            inputs=network.inputs,
            first_feature=network.notes.get("first_feature"),
        )
        inputs = network.inputs or 0
        if X.shape[1] != inputs:
            raise ValueError(f"{options.file} has {X.shape[1]} features, the network takes {inputs}")
        require_same_pixels(network, X, options.file)
        return X, []
    missing = options.missing
    if missing is None and network.encoder is not None:
        missing = network.encoder.missing
    by_blocks = None if network.encoder is None else False
    data = DataOptions.of(options, what=options.file, missing=missing, by_blocks=by_blocks)
    data = data._replace(columns=_columns(network, options.columns))
    if reads_by_blocks(data, targets=False):
        return rows_of_parquet(options.file, data.columns), []
    rows = read_table(DataOptions.of(options, what=options.file, missing=missing), target=None)
    rows = by_training_names(rows, network.notes)
    extra = extra_columns(network, rows)
    return inputs_of(network, rows), [*rows.notes, *([extra] if extra else [])]


def _columns(network: gn.Network, asked: str | None) -> str | Sequence[str] | None:
    """What is read of a table block by block: the columns of the training, unless others are asked for."""
    names = network.columns or network.notes.get("columns")
    if asked is None or (names and set(names) <= {name.strip() for name in asked.split(",")}):
        return names
    return asked


def table(network: gn.Network, A: Any, *, probabilities: bool = False) -> Iterable[list[str]]:
    """A header, and one line for each row of predictions ``A (m, n[L])``.

    Parameters
    ----------
    network : Network
    A : array, shape (m, n[L])
    probabilities : bool
        One column per class, named after it, beside the class.
    """
    units, activation = network.layers[-1].units, network.layers[-1].activation
    kind, names = kind_of(network), class_names(network, units)
    if kind == "classes":
        if units == 1:
            A = np.concatenate([1.0 - A, A], axis=1)
        if probabilities:
            yield ["class", *names]
            for k, row in zip(A.argmax(axis=1), A, strict=True):
                yield [names[k], *map(str, row)]
            return
        yield ["class", "probability" if activation in ("softmax", "sigmoid") else "output"]
        for k, row in zip(A.argmax(axis=1), A, strict=True):
            yield [names[k], str(row[k])]
    else:
        if kind == "labels":
            yield names[:units]
        else:
            yield ["value"] if units == 1 else [f"value {k}" for k in range(units)]
        for row in A:
            yield list(map(str, row))
