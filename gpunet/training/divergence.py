"""Losses and parameters that are no longer finite: where it happened, and what to do about it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.program import TrainState
from gpunet.devices.backend import Backend
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.errors import Diverged
from gpunet.training.scale import LARGE_INPUT, LARGE_TARGET, mean_size, standardizer_for

Array = Any

USELESS = 1e3  # times the first loss: weights with such a loss are not worth keeping


def first_non_finite_step(losses: Any, finite: bool) -> int | None:
    """The first step with a loss that isn't finite; one past the last if only the parameters after it aren't."""
    good = np.isfinite(losses)
    if not good.all():
        return int(np.argmin(good))
    return None if finite else len(losses)


def losses_and_finite(backend: Backend, losses: Array, state: TrainState) -> tuple[Any, bool]:
    """Losses on the host, and whether all parameters are finite."""
    return backend.losses_and_finite(losses, [p for layer in state.parameters for p in layer])


def is_finite(backend: Backend, state: TrainState) -> bool:
    """Whether all parameters are finite."""
    return backend.all_finite([p for layer in state.parameters for p in layer])


def diverged(epoch: int, step: int, steps: int, finite: list[float], advice: str) -> Diverged:
    """The error for a loss that was not finite in one of the steps of an epoch, both counted from 1.

    `finite` holds finite losses, the first one of the run first and the last one last; none if there was none.
    """
    useless = ""
    if finite and finite[-1] > USELESS * finite[0]:
        useless = (
            f" Its loss had already grown from {finite[0]:.3g} to {finite[-1]:.3g}: these weights are of no "
            "use, train a fresh network."
        )
    return Diverged(
        f"training diverged in epoch {epoch}, step {step} of {steps}: the loss is no longer "
        f"finite. The network keeps the weights of the last step with a finite loss.{useless} {advice}",
        epoch,
        step,
    )


def advice(xp: Any, X: Array | SparseExamples, Y: Array) -> str:
    """The most likely cause of a divergence with these columns, and what to do about it."""
    rate = "Try a smaller learning_rate, or clip_norm=1.0"
    inputs, targets = mean_size(xp, X), mean_size(xp, Y)
    if not inputs <= LARGE_INPUT:
        return (
            f"The inputs are large (mean |x| is {inputs:.3g}, about 1 is usual): give the Network "
            f"standardizer={standardizer_for(X)}. {rate} if it still diverges."
        )
    if not targets <= LARGE_TARGET:
        return (
            f"The targets are large (mean |y| is {targets:.3g}): scale them to about 1. {rate} if it still "
            "diverges."
        )
    return f"{rate}."
