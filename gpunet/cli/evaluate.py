"""``gpunet evaluate``: a saved network on data with targets."""

from __future__ import annotations

import warnings
from argparse import Namespace
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.cli.data import (
    NAMED,
    DataOptions,
    check_options,
    class_numbers,
    of_table,
    open_data,
    read_table,
    reads_by_blocks,
)
from gpunet.cli.notes import (
    by_training_names,
    class_names,
    evaluation_data,
    extra_columns,
    inputs_of,
    kind_of,
    require_same_pixels,
)
from gpunet.cli.output import require_output
from gpunet.cli.report import class_report, figures
from gpunet.cli.saved import saved_network
from gpunet.cli.source import Examples
from gpunet.datasets.table_files import is_table_file
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.inputs.blocks.joined import JoinedRows
from gpunet.inputs.blocks.mapped import MappedRows
from gpunet.inputs.blocks.sliced import Sliced
from gpunet.plots import check
from gpunet.tables import Target
from gpunet.training.metrics import Metrics


def evaluate(options: Namespace) -> None:
    """Print loss and accuracy on the test examples, or on all examples of a file that is new to the network."""
    if options.plot is not None:
        require_output("--plot", options.plot, (options.net, options.what))
        check(options.plot)
    Metrics(options.metrics)  # raises for an unknown one
    network = saved_network(options, options.backend)
    _check(options, network)
    data, same_file = evaluation_data(options, network)
    use_all = options.all or not (same_file or options.what in NAMED)
    if is_table_file(data.what) and not reads_by_blocks(data):
        examples, name = _table_examples(network, data._replace(columns=None), use_all)
    else:
        examples, name = _array_examples(network, data, use_all)
    evaluated = f"all {examples.m:,} examples" if use_all else f"{examples.m:,} test examples"
    print(f"{options.net} on {evaluated} of {name}")
    unit = network.target.name if network.target is not None else network.notes.get("target", "y")
    with warnings.catch_warnings(action="ignore", category=gn.ColumnsIgnored):  # printed above
        lines = class_report(network, examples, "examples", options.plot)
        print("\n".join([*lines, *figures(network, examples, "", unit, options.metrics)]))


def _check(options: Namespace, network: gn.Network) -> None:
    """Raise a ValueError for an option that has no meaning for this network."""
    known = network.target.kind if network.target is not None else network.notes.get("kind")
    if options.kind in ("classes", "values") and known not in (None, options.kind):
        raise ValueError(f"--kind {options.kind}: {options.net} predicts {known}; leave the option out")
    kind = kind_of(network)
    one_output = network.layers[-1].units == 1  # of two classes, where nothing says so
    if options.plot is not None and (kind == "values" or (kind == "labels" and not one_output)):
        raise ValueError(
            f"--plot draws the confusion matrix of classes, and {options.net} predicts {kind}: leave it out"
        )


def _table_examples(network: gn.Network, data: DataOptions, use_all: bool) -> tuple[Examples, str]:
    """Examples of a table, by the names of its columns."""
    check_options(data)
    if network.encoder is not None and data.target in network.encoder.columns:
        predicted = f"; it predicts {network.target.name!r}" if network.target is not None else ""
        raise ValueError(f"--target {data.target}: that column is an input of the network{predicted}")
    missing = data.missing
    if missing is None and network.encoder is not None:
        missing = network.encoder.missing
    table = read_table(data._replace(missing=missing), target=-1 if data.target is None else data.target)
    table = by_training_names(table, network.notes)
    extra = extra_columns(network, table)
    for note in [*table.describe()[1:], *([extra] if extra else [])]:
        print(note)
    chosen = table if use_all else of_table(table, data.held_out).test.X
    if network.encoder is not None:
        return Examples(chosen), table.name
    X = inputs_of(network, chosen)
    return Examples(X, _plain_targets(network, chosen, data.what)), table.name


def _plain_targets(network: gn.Network, table: Any, where: str) -> Any:
    """Targets for a network that has no encoder."""
    if network.target is not None:
        return table.labels
    target = Target(table.kind).fit(table)
    names = class_names(network, network.layers[-1].units)
    if target.class_names is None:
        target.center, target.scale = 0.0, 1.0
        return target.encode(table)
    unknown = [name for name in target.class_names if name not in names]
    if unknown:
        raise ValueError(
            f"{where} has the class {unknown[0]!r}, which the network was not trained on; its classes are "
            f"{', '.join(names)}"
        )
    return np.array([names.index(name) for name in target.class_names])[target.encode(table)]


def stacked(parts: list[Any], name: str) -> Any:
    """Arrays, sparse matrices or sources of rows, one below the other; those of a file called `name` without a copy."""
    if isinstance(parts[0], np.memmap):
        return JoinedRows(name, [MappedRows(name, part) for part in parts])
    if isinstance(parts[0], Sliced):
        return JoinedRows(parts[0].name, parts)
    if not is_sparse(parts[0]):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return vstack(parts, format="csr")


def _array_examples(network: gn.Network, data: DataOptions, use_all: bool) -> tuple[Examples, str]:
    """Examples of arrays."""
    source = open_data(data)
    X, y = source.test
    if use_all:
        parts = [source.training, *([] if source.validation is None else [source.validation]), source.test]
        X, y = stacked([part.X for part in parts], data.what), np.concatenate([part.y for part in parts])
    require_same_pixels(network, source.test.X, data.what)
    names = class_names(network, network.layers[-1].units)
    return Examples(X, class_numbers(source, y, names, data.what)), source.name
