"""Real targets of arrays are trained on in standardised form, and predicted in their own unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import gpunet as gn
from gpunet.cli.source import Examples, Source
from gpunet.training.metrics import rescaled


class TargetScaling(NamedTuple):
    """Mean and standard deviation of real targets, one per column."""

    mean: Any
    deviation: Any


def target_scaling(network: gn.Network, source: Source) -> TargetScaling | None:
    """How to standardise the targets of a linear output, so that values of any size train equally well.

    For arrays; a table's targets are scaled by the network's Target.
    """
    if source.is_table or source.kind != "values" or network.layers[-1].activation != "identity":
        return None
    y = source.training.y
    deviation = y.std(axis=0, dtype="float64")
    return TargetScaling(y.mean(axis=0, dtype="float64"), np.where(deviation > 0, deviation, 1.0))


def scaled(examples: Examples, scaling: TargetScaling | None) -> Examples:
    """The examples with standardised targets."""
    if scaling is None:
        return examples
    return examples._replace(y=(examples.y - scaling.mean) / scaling.deviation)


def metrics_in_own_unit(names: Sequence[str], scaling: TargetScaling | None) -> Sequence[Any]:
    """The metrics to measure while training, in the targets' unit."""
    if scaling is None:
        return names
    return rescaled(names, lambda values: scaling.deviation * values + scaling.mean)


def unscale_output(network: gn.Network, scaling: TargetScaling | None) -> None:
    """Make the last layer predict in the targets' unit: ``σ (W a + b) + μ = (σ W) a + (σ b + μ)``."""
    if scaling is None:
        return
    *first, (W, b) = network.parameters
    W, b = (network.placement.backend.to_host(p) for p in (W, b))
    mean, deviation = scaling.mean[:, None], scaling.deviation[:, None]
    network.set_parameters([*first, (deviation * W, deviation * b + mean)])
