"""``gpunet evaluate``: a saved network on data with targets."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

import gpunet as gn
from gpunet.cli.data import NAMED, class_numbers, open_data
from gpunet.cli.notes import class_names, evaluation_data
from gpunet.cli.report import format_number


def evaluate(options: Namespace) -> None:
    """Print loss and accuracy on the test examples, or on all examples of a file that is new to the network."""
    network = gn.load(options.net, options.backend)
    data, same_file = evaluation_data(options, network.notes)
    dataset = open_data(data)
    X, y = dataset.X_test, dataset.y_test
    evaluated = f"{len(X):,} test examples"
    if options.all or not (same_file or options.what in NAMED):
        X, y = np.concatenate([dataset.X, X]), np.concatenate([dataset.y, y])
        evaluated = f"all {len(X):,} examples"
    names = class_names(network.notes, network.layers[-1].units)
    metrics = network.evaluate(X, class_numbers(dataset, y, names, options.what))
    print(f"{options.net} on {evaluated} of {dataset.name}")
    for name, value in metrics.items():
        print(f"{name}: {format_number(value)}")
