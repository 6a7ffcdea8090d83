"""What ``gpunet train`` prints about a run."""

from __future__ import annotations

import math
import textwrap
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.cli.notes import class_names, kind_of
from gpunet.cli.settings import highest_rate
from gpunet.cli.source import Examples
from gpunet.core.optimizers import Optimizer
from gpunet.training.history import History


def format_number(value: float) -> str:
    """Four decimals, or six significant digits for large numbers."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"


def counted(number: int, what: str) -> str:
    """``1 epoch``, ``2 epochs``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def settings_report(options: Namespace, optimizer: Optimizer, epochs: int, batch_size: int) -> str:
    """Optimizer, learning rate, batch size, epochs and seed; weights of classes and label smoothing, if any."""
    text = (
        f"{options.optimizer}, learning rate {highest_rate(options):g} ({options.schedule}), "
        f"batch size {batch_size:,}, {counted(epochs, 'epoch')}, seed {options.seed}"
    )
    if optimizer.weight_decay:
        text += f", weight decay {optimizer.weight_decay:g}"
    weights = options.class_weight
    if isinstance(weights, dict):
        text += f", class weights {', '.join(f'{name}={weight:g}' for name, weight in weights.items())}"
    elif weights is not None:
        text += f", classes {weights}"
    if options.label_smoothing:
        text += f", label smoothing {options.label_smoothing:g}"
    return textwrap.fill(text, 80)


def run_report(history: History, *, verbose: bool = False) -> str:
    """Epochs and speed; first, if `verbose`, the program that ran and why."""
    seconds = sum(history.seconds)
    speed = history.examples * history.epochs / max(seconds, 1e-9)
    program = f"program: {history.program} ({history.reason}), {history.backend} on {history.device}"
    lines = textwrap.wrap(program, 80) if verbose else []
    if history.stopped:
        lines.append(f"stopped early: {history.stopped}")
    products = "" if history.precision == "float32" else f", products in {history.precision}"
    lines.append(f"{counted(history.epochs, 'epoch')} in {seconds:.1f} s, {speed:,.0f} examples/s{products}")
    return "\n".join(lines)


def class_report(network: gn.Network, examples: Examples, where: str, plot: Path | None) -> list[str]:
    """Confusion matrix, precision and recall of the classes, as lines; none for real targets.

    Parameters
    ----------
    network : Network
    examples : Examples
    where : str
        What the examples are, for the heading.
    plot : Path or None
        Where to draw the matrix.
    """
    if kind_of(network) == "values":
        return []
    names = class_names(network, network.layers[-1].units)
    report = network.class_report(*examples, names=names)
    matrix = report.matrix is not None
    lines = []
    if plot is not None and matrix:
        report.plot(plot)
        lines.append(f"plot: {plot}")
    lines.append(f"\n{where} by {'true class (rows) and predicted class (columns)' if matrix else 'label'}:")
    return [*lines, f"{report.text()}\n"]


def figures(
    network: gn.Network, examples: Examples, part: str, unit: str, metrics: Sequence[str] = ()
) -> list[str]:
    """Loss and accuracy, or R², of a network's present weights on some examples; a line each.

    Parameters
    ----------
    network : Network
    examples : Examples
    part : str
        Before the name of each figure: "test", or nothing.
    unit : str
        Name of the target.
    metrics : sequence of str
        Further figures, by the names of scikit-learn's scorers.
    """
    measured = network.evaluate(*examples, metrics=metrics)
    name = f"{part} " if part else ""
    lines = []
    power = {"squared_error": "²", "absolute_error": ""}.get(str(network.loss))
    own = f" ({unit}{power})" if "accuracy" not in measured and power is not None else ""
    if "accuracy" not in measured:
        lines.append(f"{name}R²: {r_squared(_values(network, examples), network.predict(examples.X)):.4f}")
    lines.append(f"{name}loss: {format_number(measured['loss'])}{own}")
    if "accuracy" in measured:
        lines.append(f"{name}accuracy: {format_number(measured['accuracy'])}")
    others = {key: value for key, value in measured.items() if key not in ("loss", "accuracy")}
    return [*(f"{name}{key}: {format_number(value)}" for key, value in others.items()), *lines]


def _values(network: gn.Network, examples: Examples) -> Any:
    """Real targets in their own unit, rows ``(m, k)``."""
    if examples.y is not None:
        return examples.y.reshape(len(examples.y), -1)
    assert network.target is not None
    return network.target.decode(network.target.encode(examples.X))[:, None]


def r_squared(y: Any, predictions: Any) -> float:
    """``R² = 1 − Σ (y − ŷ)² / Σ (y − mean y)²``, averaged over the columns.

    As in scikit-learn, that of a constant column is 0, or 1 where all is right, and that of a single row NaN.
    """
    if len(y) < 2:
        return math.nan
    residual = ((y - predictions) ** 2).sum(axis=0)
    total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    constant = np.where(residual > 0, 0.0, 1.0)
    return float(np.where(total > 0, 1.0 - residual / np.where(total > 0, total, 1.0), constant).mean())
