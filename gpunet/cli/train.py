"""``gpunet train``: from data to a tested network."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

import gpunet as gn
from gpunet.cli.codes import INTERRUPTED, TERMINATED
from gpunet.cli.data import DataOptions, open_data
from gpunet.cli.notes import training_notes
from gpunet.cli.output import require_different_outputs, require_output
from gpunet.cli.report import class_report, figures, run_report, settings_report
from gpunet.cli.settings import (
    FIND,
    build_network,
    build_optimizer,
    choose_batch_size,
    choose_epochs,
    class_weights,
    early_stopping,
    found_rate,
    logs,
    validation_fraction,
)
from gpunet.cli.source import Source, describe
from gpunet.cli.target_scaling import (
    TargetScaling,
    metrics_in_own_unit,
    scaled,
    target_scaling,
    unscale_output,
)
from gpunet.datasets.arrays import has_test_set
from gpunet.teams.launchers import by_mpi
from gpunet.teams.team import LANES, single
from gpunet.training.metrics import Metrics


def train(options: Namespace) -> None:
    """Read the data, build the network, train and test it; save and plot it if asked to. One rank of a team prints."""
    team = launched_team(options)
    with team.together():
        _train(options, team)


def launched_team(options: Namespace) -> gn.Team:
    """The processes that an MPI launcher has started, all but one of which write nothing; else this one alone."""
    if options.lanes is None and not by_mpi():
        return single()
    team = gn.Team("auto", LANES if options.lanes is None else options.lanes)
    if team.rank > 0:
        options.save = options.plot = options.log = None
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  until this process ends
    return team


def _train(options: Namespace, team: gn.Team) -> None:
    if team.size > 1 and options.what == "-":
        raise ValueError(
            "standard input goes to one of the ranks only: give the name of a file that all can read"
        )
    _check_output(options)
    source = open_data(DataOptions.of(options))
    if options.validation_fraction is not None and source.validation is not None:
        raise ValueError(
            f"--validation-fraction: {source.name} has a validation set of its own, which is used; leave the option out"
        )
    if options.test_fraction is not None and has_test_set(options.what):
        raise ValueError(
            f"--test-fraction: {source.name} has a test set of its own, which is used; leave the option out"
        )
    source = source.with_validation(validation_fraction(options), options.seed, options.dtype)
    for name in ("patience", "metrics"):
        if getattr(options, name) and source.validation is None:
            raise ValueError(f"--{name} needs validation data: give a --validation-fraction above 0")
    examples = source.training.m
    batch_size = choose_batch_size(options, examples)
    steps = math.ceil(examples / batch_size)
    epochs = choose_epochs(options, source, steps)
    weights = class_weights(options, source)
    network = build_network(options, source)
    network.notes = training_notes(options, source)
    scaling = target_scaling(network, source)
    if options.learning_rate == FIND:
        training = scaled(source.training, scaling)
        options.learning_rate = team.from_first(
            lambda: found_rate(options, network, source, training, batch_size)
        )
    optimizer = build_optimizer(options, source, epochs, steps)

    print(describe(source, network))
    print(f"\n{network.summary()}\n")
    print(settings_report(options, optimizer, epochs, batch_size), flush=True)
    if team.lanes is not None:
        print(f"{team.size} rank{'s' if team.size > 1 else ''}, {team.lanes} lanes", flush=True)
    with saved_when_stopped(options, network, scaling):
        history = network.fit(
            *scaled(source.training, scaling),
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            precision=options.precision,
            validation_data=None if source.validation is None else scaled(source.validation, scaling),
            class_weight=weights,
            label_smoothing=options.label_smoothing,
            metrics=metrics_in_own_unit(options.metrics, scaling),
            callbacks=[*early_stopping(options), *logs(options)],
            checkpoint=checkpoint(options),
            progress=True,
            team=team,
        )
    if team.rank > 0:
        return
    unscale_output(network, scaling)
    _report(options, network, source, history)


def _report(options: Namespace, network: gn.Network, source: Source, history: gn.History) -> None:
    """Print what came out, on each part of the data; save and plot it if asked to."""
    print(run_report(history, verbose=options.verbose))
    if options.save is not None:
        network.save(options.save)
        print(f"saved: {options.save}")
    if options.plot is not None:
        history.plot(options.plot, network=network)
        print(f"plot: {options.plot}")
    matrix_plot = None if options.plot is None else options.plot.with_stem(f"{options.plot.stem}-confusion")
    for line in class_report(network, source.test, "test examples", matrix_plot):
        print(line)
    # All of the weights that were kept, in one unit.
    for part in ("training", "validation", "test"):
        rows = getattr(source, part)
        if rows is not None:
            print("\n".join(figures(network, rows, part, source.unit, options.metrics)))


def checkpoint(options: Namespace) -> gn.Checkpoint | None:
    """Where the run keeps what it needs to go on."""
    if options.checkpoint is not None:
        return gn.Checkpoint(options.checkpoint, restart=options.restart)
    if options.restart:
        raise ValueError("--restart needs --checkpoint: the folder of the run to begin afresh")
    return None


@contextmanager
def saved_when_stopped(
    options: Namespace, network: gn.Network, scaling: TargetScaling | None
) -> Iterator[None]:
    """Save the network if Ctrl-C or SIGTERM ends its training; what it was in the last update is kept."""
    before = signal.getsignal(signal.SIGTERM)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stopped:
        kept = []
        if options.save is not None and network.history is not None:
            unscale_output(network, scaling)
            network.save(options.save)
            kept.append(f"saved: {options.save}")
        if options.checkpoint is not None:
            kept.append(f"the same command goes on from {options.checkpoint}")
        how = "Ctrl-C" if isinstance(stopped, KeyboardInterrupt) else "SIGTERM"
        print(f"gpunet: {'; '.join([f'stopped by {how}', *kept])}", file=sys.stderr)
        sys.exit(INTERRUPTED if isinstance(stopped, KeyboardInterrupt) else stopped.code)
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)


def _check_output(options: Namespace) -> None:
    """Raise now what would otherwise be raised after the training."""
    outputs = {"--save": options.save, "--plot": options.plot, "--log": options.log}
    outputs = {name: path for name, path in outputs.items() if path is not None}
    for name, path in outputs.items():
        require_output(name, path, (options.what, options.target))
    require_different_outputs(
        outputs if options.checkpoint is None else {**outputs, "--checkpoint": options.checkpoint}
    )
    if options.plot is not None:
        from gpunet.plots import check

        check(options.plot)
    if options.checkpoint is not None and options.checkpoint.is_file():
        raise ValueError(f"--checkpoint: {options.checkpoint} is a file; give the name of a folder")
    checkpoint(options)
    logs(options)
    Metrics(options.metrics)
