"""``gpunet train``: from data to a tested network."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import Any, NamedTuple

import numpy as np

import gpunet as gn
from gpunet.cli.data import DataOptions, describe, open_data, target_kind
from gpunet.cli.notes import training_notes
from gpunet.cli.report import format_number, r_squared, run_report, settings_report
from gpunet.cli.settings import (
    build_network,
    build_optimizer,
    choose_batch_size,
    choose_epochs,
    validation_fraction,
)
from gpunet.datasets import Dataset


def train(options: Namespace) -> None:
    """Read the data, build the network, train and test it; save and plot it if asked to."""
    _check_output(options)
    dataset = open_data(
        DataOptions(options.what, options.data, options.target, options.kind, options.test_fraction)
    )
    kind = target_kind(dataset)
    batch_size = choose_batch_size(options, len(dataset.X))
    steps = math.ceil(len(dataset.X) / batch_size)
    epochs = choose_epochs(options, steps)
    optimizer = build_optimizer(options, epochs, steps)
    network = build_network(options, dataset, kind)
    network.notes = training_notes(options, dataset, kind)
    callbacks = [] if options.patience is None else [gn.EarlyStopping(options.patience)]
    scaling = target_scaling(network, dataset, kind)

    print(describe(dataset, kind))
    print(f"\n{network.summary()}\n")
    print(settings_report(options, optimizer, epochs, batch_size), flush=True)
    history = network.fit(
        dataset.X,
        dataset.y if scaling is None else (dataset.y - scaling.mean) / scaling.deviation,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=batch_size,
        validation_fraction=validation_fraction(options),
        callbacks=callbacks,
        progress=True,
    )
    if scaling is not None:
        unscale_output(network, scaling, gn.get_backend(history.backend))
    metrics = network.evaluate(dataset.X_test, dataset.y_test)

    print(run_report(history, verbose=options.verbose))
    if options.save is not None:
        network.save(options.save)
        print(f"saved: {options.save}")
    if options.plot is not None:
        from gpunet.plots import training

        training(history, options.plot, network=network)
        print(f"plot: {options.plot}")
    if kind == "values":
        print(f"test R²: {r_squared(dataset.y_test, network.predict(dataset.X_test)):.4f}")
    for name, value in metrics.items():
        print(f"test {name}: {format_number(value)}")


def _check_output(options: Namespace) -> None:
    """Raise now what would otherwise be raised after the training."""
    for name, path in (("--save", options.save), ("--plot", options.plot)):
        if path is not None and not path.absolute().parent.is_dir():
            raise ValueError(f"{name}: there is no folder {path.absolute().parent}")
        if path is not None and path.is_dir():
            raise ValueError(f"{name}: {path} is a folder; give a file in it")
    if options.plot is not None:
        from gpunet.plots import check

        check(options.plot)
    if options.patience is not None and not validation_fraction(options):
        raise ValueError("--patience needs a validation loss: give a --validation-fraction above 0")


class TargetScaling(NamedTuple):
    """Mean and standard deviation of real targets, one per column."""

    mean: Any
    deviation: Any


def target_scaling(network: gn.Network, dataset: Dataset, kind: str) -> TargetScaling | None:
    """How to standardise the targets of a linear output, so that values of any size train equally well."""
    if kind != "values" or network.layers[-1].activation != "identity":
        return None
    deviation = dataset.y.std(axis=0, dtype="float64")
    return TargetScaling(dataset.y.mean(axis=0, dtype="float64"), np.where(deviation > 0, deviation, 1.0))


def unscale_output(network: gn.Network, scaling: TargetScaling, backend: gn.Backend) -> None:
    """Make the last layer predict in the targets' units: ``σ (W a + b) + μ = (σ W) a + (σ b + μ)``."""
    *first, (W, b) = network.parameters
    W, b = backend.to_host(W), backend.to_host(b)
    mean, deviation = scaling.mean[:, None], scaling.deviation[:, None]
    network.set_parameters([*first, (deviation * W, deviation * b + mean)])
