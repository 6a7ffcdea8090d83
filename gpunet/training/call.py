"""A call of ``fit``, described: a run goes on from a checkpoint if its call is the same."""

from __future__ import annotations

from typing import Any

from gpunet.inputs.digest import digest
from gpunet.inputs.fit_data import FitArrays
from gpunet.training.checkpoint import WEIGHTS
from gpunet.training.described import described
from gpunet.version import VERSION


def described_call(
    settings: dict[str, Any], arrays: FitArrays, seed: int | None, weights: str | None
) -> dict[str, Any]:
    """Everything that a run depends on.

    Parameters
    ----------
    settings : dict
        Of the network, and the arguments of ``fit`` that are no arrays.
    arrays : FitArrays
        Those that are, and what is measured of them.
    seed : int or None
        None for one that was drawn.
    weights : str or None
        Which ones the run begins with; None for those that the initializers draw.
    """
    return {
        "version": VERSION,
        "seed": seed,
        **{name: described(value, constants=name != "callbacks") for name, value in settings.items()},
        "class_weight": described(arrays.class_weight),
        "label_smoothing": described(arrays.label_smoothing),
        "validation_fraction": described(arrays.validation_fraction),
        **{name: digest(name, array) for name, array in arrays.by_name().items()},
        WEIGHTS: weights,
    }
