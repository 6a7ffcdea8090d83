"""``gpunet train``: from data to a tested network."""

from __future__ import annotations

import math
import textwrap
from argparse import Namespace
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.cli.data import NAMED, describe, fingerprint, header, meaning, open_data
from gpunet.core.checks import finite_number, positive_int, unit_interval
from gpunet.core.optimizers import OPTIMIZERS, Optimizer
from gpunet.core.schedules import Schedule
from gpunet.datasets import Dataset
from gpunet.training.history import History

BATCH = 64  # examples an update
EPOCHS, MOST_EPOCHS, UPDATES = 20, 300, 2000  # small data are gone through more often
# Highest learning rate where none is given.
RATES = {"adamw": 2e-3, "adam": 2e-3, "rmsprop": 1e-3, "gradient_descent": 0.5}
# The slope of a sigmoid is ¼ at most (C11): what it passes back is small, and the steps may be larger.
SIGMOID = 2.5
SCHEDULES = ("cosine", "constant", "exponential", "inverse_time")


def train(options: Namespace) -> None:
    """Read the data, build the network, fit it, test it; save and draw if asked to."""
    _check_places(options)
    dataset = open_data(
        options.what,
        folder=options.data,
        target=options.target,
        kind=options.kind,
        test_fraction=options.test_fraction,
    )
    kind = meaning(dataset)
    size = _batch_size(options, len(dataset.X))
    steps = math.ceil(len(dataset.X) / size)
    if options.epochs is None:
        options.epochs = max(EPOCHS, min(MOST_EPOCHS, math.ceil(UPDATES / steps)))
    optimizer = build_optimizer(options, steps)
    network = build_network(options, dataset, kind)
    network.notes = _notes(options, dataset, kind)
    callbacks = [] if options.patience is None else [gn.EarlyStopping(options.patience)]
    y, centre, spread = _scaled(network, dataset, kind)

    print(describe(dataset, kind))
    print(f"\n{network.summary()}\n")
    print(_settings(options, optimizer, size), flush=True)
    history = network.fit(
        dataset.X,
        y,
        optimizer=optimizer,
        epochs=options.epochs,
        batch_size=size,
        validation_fraction=_held_out(options),
        callbacks=callbacks,
        progress=True,
    )
    _unscale(network, history, centre, spread)
    figures = network.evaluate(dataset.X_test, dataset.y_test)

    print(_report(history))
    if options.save is not None:
        network.save(options.save)
        print(f"saved: {options.save}")
    if options.plot is not None:
        from gpunet.plots import training

        training(history, options.plot, network=network)
        print(f"drawn: {options.plot}")
    if kind == "values":
        residual = ((dataset.y_test - network.predict(dataset.X_test)) ** 2).sum(axis=0)
        total = ((dataset.y_test - dataset.y_test.mean(axis=0)) ** 2).sum(axis=0)
        explained = 1.0 - float((residual / np.where(total > 0, total, 1.0)).mean())
        print(f"test variance explained: {explained:.4f}")
    for name, figure in figures.items():
        print(f"test {name}: {in_figures(figure)}")


def in_figures(value: float) -> str:
    """Four decimals, or six digits of what is large."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"


def build_network(options: Namespace, dataset: Dataset, kind: str) -> gn.Network:
    """The network that the options and the targets ask for."""
    classes = 0
    if kind == "classes":
        columns = dataset.y.shape[1] if dataset.y.ndim == 2 else 0
        classes = columns or len(dataset.class_names or ())
        if classes < 2:
            raise ValueError(f"{dataset.name} holds one class only; there is nothing to tell apart")
    two = classes == 2 and dataset.y.ndim == 1
    output = options.output
    if output is None and kind == "classes":
        one_neuron = options.loss == "logistic" or (two and options.loss != "cross_entropy")
        output = "sigmoid" if one_neuron else "softmax"
    elif output is None:
        output = "sigmoid" if kind == "labels" else "identity"
    units = classes or dataset.y.shape[1]
    if two and output == "sigmoid":
        units = 1  # logistic regression (C2)

    layers: list[gn.Dense | gn.Dropout] = []
    for hidden in options.hidden:
        layers.append(gn.Dense(hidden, options.activation))
        if options.dropout:
            layers.append(gn.Dropout(options.dropout))
    per = options.standardize
    if per == "auto":
        per = "set" if dataset.image_shape else "feature"
    return gn.Network(
        [*layers, gn.Dense(units, output)],
        loss=options.loss,
        inputs=dataset.X.shape[1],
        seed=options.seed,
        backend=options.backend,
        dtype=options.dtype,
        standardizer=None if per == "no" else gn.Standardizer(per),
    )


def highest_rate(options: Namespace) -> float:
    """The learning rate asked for, or the one that suits optimizer and activation."""
    if options.learning_rate is not None:
        return float(options.learning_rate)
    adaptive = options.optimizer != "gradient_descent"
    return RATES[options.optimizer] * (SIGMOID if adaptive and options.activation == "sigmoid" else 1.0)


def build_optimizer(options: Namespace, steps: int) -> Optimizer:
    """The update rule, its rate following the schedule; `steps` are the updates of one epoch."""
    name = options.optimizer
    settings: dict[str, Any] = {"clip_norm": options.clip_norm}
    if options.weight_decay is not None:
        settings["weight_decay"] = options.weight_decay
    if name == "gradient_descent":
        settings["momentum"] = 0.9 if options.momentum is None else options.momentum
        settings["nesterov"] = options.nesterov
    elif options.momentum is not None or options.nesterov:
        raise ValueError(f"--momentum and --nesterov go with --optimizer gradient_descent, not with {name}")
    highest = highest_rate(options)
    finite_number("--learning-rate", highest, 0.0, strict=True)
    planned = max(positive_int("--epochs", options.epochs) * steps, 1)
    rate: float | Schedule = highest
    if options.schedule == "cosine":
        rate = gn.Cosine(highest)
    elif options.schedule == "exponential":  # a hundredth is left at the end
        rate = gn.Exponential(highest, factor=0.01, every=planned)
    elif options.schedule == "inverse_time":  # a tenth is left at the end
        rate = gn.InverseTime(highest, half_life=max(planned // 9, 1))
    built: Optimizer = OPTIMIZERS[name](rate, **settings)
    return built


def _batch_size(options: Namespace, m: int) -> int:
    """Examples an update."""
    kept = max(m - round(_held_out(options) * m), 1)
    size = {"full": kept, None: min(BATCH, kept)}.get(options.batch_size, options.batch_size)
    if size > kept:
        raise ValueError(f"--batch-size is {size}, but there are only {kept} examples; full takes them all")
    return int(size)


def _held_out(options: Namespace) -> float:
    if options.validation_fraction is not None:
        return unit_interval("--validation-fraction", options.validation_fraction)
    return 0.0 if options.patience is None else 0.1


def _check_places(options: Namespace) -> None:
    """Everything that would only be found out after the training."""
    for name, path in (("--save", options.save), ("--plot", options.plot)):
        if path is not None and not path.absolute().parent.is_dir():
            raise ValueError(f"{name}: there is no folder {path.absolute().parent}")
        if path is not None and path.is_dir():
            raise ValueError(f"{name} names a folder, {path}; name a file in it")
    if options.plot is not None:
        from gpunet.plots import check

        check(options.plot)
    if options.patience is not None and not _held_out(options):
        raise ValueError("--patience watches the validation loss: it needs a --validation-fraction above 0")


def _notes(options: Namespace, dataset: Dataset, kind: str) -> dict[str, Any]:
    """What evaluate and predict need to know about the data; saved with the network."""
    notes: dict[str, Any] = {"data": dataset.name, "kind": kind}
    if dataset.class_names is not None:
        notes["class_names"] = list(dataset.class_names)
    if dataset.image_shape is not None:
        notes["image_shape"] = list(dataset.image_shape)
    if options.kind is not None:
        notes["source_kind"] = options.kind
    if options.what in NAMED:
        return notes
    notes |= {"sha256": fingerprint(options.what), "test_fraction": options.test_fraction}
    if options.target is not None:
        notes["target"] = options.target
    columns = header(options.what, options.target)
    if columns is not None:
        target = options.target
        if target not in columns:
            target = columns[int(target or -1)]
        notes |= {"columns": [name for name in columns if name != target], "target": target}
    return notes


def _scaled(network: gn.Network, dataset: Dataset, kind: str) -> tuple[Any, Any, Any]:
    """Targets to train on, and what brings them back: values of any size are learned as if of size 1."""
    if kind != "values" or network.layers[-1].activation != "identity":
        return dataset.y, None, None
    centre, spread = dataset.y.mean(axis=0, dtype="float64"), dataset.y.std(axis=0, dtype="float64")
    spread = np.where(spread > 0, spread, 1.0)
    return (dataset.y - centre) / spread, centre, spread


def _unscale(network: gn.Network, history: History, centre: Any, spread: Any) -> None:
    """Let the last layer give values in their own units: ``σ (W a + b) + μ = (σ W) a + (σ b + μ)``."""
    if centre is None:
        return
    *first, (W, b) = network.parameters
    backend = gn.get_backend(history.backend)
    W, b = backend.to_host(W), backend.to_host(b)
    network.set_parameters([*first, (spread[:, None] * W, spread[:, None] * b + centre[:, None])])


def _settings(options: Namespace, optimizer: Optimizer, size: int) -> str:
    highest = highest_rate(options)
    text = (
        f"{options.optimizer}, learning rate {highest:g} ({options.schedule}), batches of {size:,}, "
        f"{options.epochs} epochs, seed {options.seed}"
    )
    if optimizer.weight_decay:
        text += f", weight decay {optimizer.weight_decay:g}"
    return textwrap.fill(text, 80)


def _report(history: History) -> str:
    """How the run went, and what ran."""
    seconds = sum(history.seconds)
    speed = history.examples * history.epochs / max(seconds, 1e-9)
    ran = f"program: {history.program} ({history.reason}), {history.backend} on {history.device}"
    lines = [
        *textwrap.wrap(ran, 80),
        f"{history.epochs} epochs in {seconds:.1f} s, {speed:,.0f} examples/s",
        f"training loss: {history.loss[-1]:.4f}",
    ]
    if history.stopped:
        lines.insert(2, f"stopped early: {history.stopped}")
    if history.val_loss:
        lines.append(f"validation loss: {history.val_loss[-1]:.4f}")
    if history.val_accuracy:
        lines.append(f"validation accuracy: {history.val_accuracy[-1]:.4f}")
    return "\n".join(lines)
