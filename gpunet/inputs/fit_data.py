"""Examples that a network can learn from or be measured on: checked, standardised, as columns."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.checks import positive_int, unit_interval
from gpunet.devices.placement import Home
from gpunet.core.layers import Dense
from gpunet.inputs.arrays import features
from gpunet.inputs.standardizer import Standardizer
from gpunet.inputs.targets import example_weights, targets

Array = Any

DEFAULT_BATCH = 32


class Data(NamedTuple):
    """Examples as columns, on their device."""

    X: Array  # (n[0], m), a transposed view of rows
    Y: Array  # (n[L], m)
    weights: Array | None  # (1, m)


class Reader(NamedTuple):
    """Turns what people pass in into what one network takes, on one home."""

    home: Home
    dtype: str
    inputs: int | None
    output: Dense
    loss: str
    standardizer: Standardizer | None  # fitted; None leaves X as it is

    def rows(self, name: str, X: Any) -> Array:
        """X as rows, checked and standardised."""
        rows = features(name, X, self.home, self.dtype, self.inputs)
        if self.standardizer is None:
            return rows
        return self.standardizer.apply(self.home.xp, rows, self.home.send)

    def data(
        self, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, *, said: str = ""
    ) -> tuple[Data, str]:
        """Columns, and what the targets mean (see :class:`gpunet.inputs.targets.Targets`)."""
        rows = self.rows(f"{said}X", X)
        Y, kind = targets(
            f"{said}y",
            y,
            self.home,
            self.dtype,
            rows.shape[0],
            self.output.units,
            self.output.activation,
            self.loss,
        )
        weights = example_weights(sample_weight, class_weight, Y, kind, self.home, self.dtype)
        return Data(rows.T, Y, weights), kind


class Prepared(NamedTuple):
    """Everything that ``fit`` needs from its arrays."""

    training: Data
    held_out: Data | None
    kind: str
    batch_size: int
    standardizer: Standardizer | None


def prepare(
    reader: Reader,
    standardizer: Standardizer | None,
    seed: int,
    X: Any,
    y: Any,
    batch_size: int | str | None,
    validation_data: Any,
    validation_fraction: float,
    sample_weight: Any,
    class_weight: Any,
) -> Prepared:
    """Check the arguments of ``fit``; split and standardise. Nothing of the network changes.

    A `standardizer` that is not fitted yet is fitted to a copy, on the training part alone (C15).
    """
    training, kind = reader.data(X, y, sample_weight, class_weight)
    held_out = None
    if validation_data is not None:
        seen = reader._replace(inputs=training.X.shape[0])
        held_out, _ = seen.data(*validation_data, said="validation ")
    elif validation_fraction:
        training, held_out = _hold_out(training, validation_fraction, seed, reader.home)
    size = _batch_size(batch_size, training.X.shape[1])
    if standardizer is not None and reader.standardizer is None:
        standardizer = _fitted(standardizer, training, reader.home)
        training = _standardised(training, standardizer, reader.home)
        held_out = held_out and _standardised(held_out, standardizer, reader.home)
    return Prepared(training, held_out, kind, size, standardizer)


def validation_pair(validation_data: Any, fraction: Any) -> dict[str, Any]:
    """The arrays of ``validation_data`` by name, checked to be a pair.

    Raises
    ------
    ValueError
        If they are no pair, or if a fraction is asked for too.
    """
    if validation_data is None:
        return {}
    if fraction:
        raise ValueError("give validation_data or validation_fraction, not both")
    if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
        raise ValueError("validation_data must be a pair (X, y)")
    return {"validation X": validation_data[0], "validation y": validation_data[1]}


def _hold_out(data: Data, fraction: float, seed: int, home: Home) -> tuple[Data, Data]:
    """Training and validation parts, drawn with the seed."""
    m = data.X.shape[1]
    held = round(unit_interval("validation_fraction", fraction) * m)
    if not 0 < held < m:
        raise ValueError(f"validation_fraction={fraction} of {m} examples leaves a part empty")
    order = np.random.default_rng([seed, 2**31]).permutation(m).astype(np.int32)

    def part(chosen: Any) -> Data:
        index = home.send(np.sort(chosen))
        return Data(*(None if a is None else home.xp.take(a.T, index, axis=0).T for a in data))

    return part(order[held:]), part(order[:held])._replace(weights=None)


def _fitted(standardizer: Standardizer, data: Data, home: Home) -> Standardizer:
    fitted = copy.deepcopy(standardizer)
    fitted.mean, fitted.deviation = fitted.measure(home.xp, data.X.T, home.send, home.backend.to_host)
    return fitted


def _standardised(data: Data, standardizer: Standardizer, home: Home) -> Data:
    return data._replace(X=standardizer.apply(home.xp, data.X.T, home.send).T)


def _batch_size(batch_size: int | str | None, m: int) -> int:
    if isinstance(batch_size, str) and batch_size == "auto":
        return min(DEFAULT_BATCH, m)
    if batch_size is None:
        return m
    size = positive_int("batch_size", batch_size)
    if size > m:
        raise ValueError(
            f"batch_size is {size}, but there are only {m} examples to train on; batch_size=None takes them "
            "all at once"
        )
    return size
