"""What ``gpunet train`` prints about a run."""

from __future__ import annotations

import textwrap
from argparse import Namespace
from typing import Any

import numpy as np

from gpunet.cli.settings import highest_rate
from gpunet.core.optimizers import Optimizer
from gpunet.training.history import History


def format_number(value: float) -> str:
    """Four decimals, or six significant digits for large numbers."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"


def settings_report(options: Namespace, optimizer: Optimizer, epochs: int, batch_size: int) -> str:
    """Optimizer, learning rate, batch size, epochs and seed."""
    text = (
        f"{options.optimizer}, learning rate {highest_rate(options):g} ({options.schedule}), "
        f"batch size {batch_size:,}, {epochs} epochs, seed {options.seed}"
    )
    if optimizer.weight_decay:
        text += f", weight decay {optimizer.weight_decay:g}"
    return textwrap.fill(text, 80)


def run_report(history: History, *, verbose: bool = False) -> str:
    """Speed, and the losses of the last epoch; first, if `verbose`, what ran and why."""
    seconds = sum(history.seconds)
    speed = history.examples * history.epochs / max(seconds, 1e-9)
    program = f"program: {history.program} ({history.reason}), {history.backend} on {history.device}"
    lines = textwrap.wrap(program, 80) if verbose else []
    if history.stopped:
        lines.append(f"stopped early: {history.stopped}")
    lines.append(f"{history.epochs} epochs in {seconds:.1f} s, {speed:,.0f} examples/s")
    lines.append(f"training loss: {history.loss[-1]:.4f}")
    if history.val_loss:
        lines.append(f"validation loss: {history.val_loss[-1]:.4f}")
    if history.val_accuracy:
        lines.append(f"validation accuracy: {history.val_accuracy[-1]:.4f}")
    return "\n".join(lines)


def r_squared(y: Any, predictions: Any) -> float:
    """``R² = 1 − Σ (y − ŷ)² / Σ (y − mean y)²``, averaged over the columns; constant columns count as spread 1."""
    residual = ((y - predictions) ** 2).sum(axis=0)
    total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    return 1.0 - float((residual / np.where(total > 0, total, 1.0)).mean())
