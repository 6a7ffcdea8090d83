"""What ``fit`` is given, and what it needs of that: checked, split and standardised."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import positive_int, unit_interval
from gpunet.core.layers import Dense
from gpunet.core.losses import LossLike
from gpunet.core.optimizers import Optimizer
from gpunet.core.plan import Layer, Plan
from gpunet.devices.placement import Placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.example_weights import require_some_weight
from gpunet.inputs.integer_examples import IntegerExamples
from gpunet.inputs.label_smoothing import smoothed
from gpunet.inputs.pending_check import NOTHING_PENDING, PendingCheck
from gpunet.inputs.pipeline import Examples, InputPipeline, is_copy
from gpunet.inputs.standardizer import Standardizer

DEFAULT_BATCH = 32


class FitArrays(NamedTuple):
    """The arrays that ``fit`` was given, as they are."""

    X: Any
    y: Any
    sample_weight: Any
    class_weight: Any
    validation_data: Any
    validation_fraction: float
    label_smoothing: float = 0.0

    def by_name(self) -> dict[str, Any]:
        """Those whose placement counts, by the names that messages use.

        Raises
        ------
        ValueError
            If ``validation_data`` is not ``(X, y)`` or ``(X, y, sample_weight)``, or a fraction is given too.
        """
        arrays = {"X": self.X, "y": self.y, "sample_weight": self.sample_weight}
        if self.validation_data is None:
            return arrays
        names = ("validation X", "validation y", "validation sample_weight")
        return {**arrays, **dict(zip(names, self.validation_pair(), strict=False))}

    def validation_pair(self) -> tuple[Any, ...]:
        """``(X, y)`` or ``(X, y, sample_weight)`` of ``validation_data``; a Table alone has its y with it.

        Raises
        ------
        ValueError
            If it is none of these, or a fraction is given too.
        """
        data = self.validation_data
        if self.validation_fraction:
            raise ValueError("give validation_data or validation_fraction, not both")
        if hasattr(data, "labels"):
            return data, None
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise ValueError("validation_data must be a pair (X, y), or (X, y, sample_weight)")
        return tuple(data)


class FitData(NamedTuple):
    """Everything that ``fit`` needs from its arrays."""

    training: Examples
    validation: Any  # Examples, a Stream of them, or None
    kind: str
    batch_size: int
    standardizer: Standardizer | None
    shape: tuple[int, ...]  # of one example, as it was given
    raw: bool  # whether the training part is as it is before the standardizer
    # Of all training examples, where they do not fit into memory; `training` is a sample then.
    stream: Any = None
    check: PendingCheck = NOTHING_PENDING  # of the training examples, which nothing is to come of before
    in_parts: bool = False  # whether a batch of the stream is larger than what is in memory at a time

    @property
    def size(self) -> tuple[int, int]:
        """Features, and training examples."""
        n, m = int(self.training.X.shape[0]), self.training.m
        return n, m if self.stream is None else self.stream.m

    def plan(
        self,
        layers: Sequence[Dense],
        dropouts: Sequence[float],
        loss: LossLike,
        optimizer: Optimizer,
        dtype: str,
        precision: str,
    ) -> Plan:
        """The plan of training these layers on the training part."""
        n, m = self.size
        sizes = [n, *(layer.units for layer in layers)]
        planned = tuple(
            Layer(sizes[l], layer.units, layer.activation, dropouts[l], layer.trainable)
            for l, layer in enumerate(layers)
        )
        weighted = self.training.weights is not None
        sparse = isinstance(self.training.X, SparseExamples)
        return Plan(
            planned,
            loss,
            optimizer,
            m,
            self.batch_size,
            dtype,
            weighted,
            precision,
            sparse=sparse,
            in_parts=self.in_parts,
        )


def fit_data(
    pipeline: InputPipeline,
    arrays: FitArrays,
    batch_size: int | str | None,
    seed: int,
    auto_batch: int = DEFAULT_BATCH,
    *,
    raw: bool = False,
) -> FitData:
    """Check the arguments of ``fit``; split and standardise. Nothing of the network changes.

    A standardizer that is not fitted yet is fitted as a copy, to the training part alone (C15). The batch size "auto"
    is `auto_batch`. `raw` leaves the training part as it is before the standardizer.
    """
    kept = pipeline._replace(integers=not raw)
    training, kind, check = kept.begun_examples(arrays.X, arrays.y, arrays.sample_weight, raw=raw)
    standardizer, validation = pipeline.standardizer, None
    fits = standardizer is not None and not standardizer.fitted
    if fits or arrays.class_weight is not None or arrays.sample_weight is not None:
        check.settle()  # they are measured here
    if arrays.validation_data is not None:
        same_inputs = pipeline._replace(inputs=training.X.shape[0])
        validation, _ = same_inputs.examples(*arrays.validation_data, prefix="validation ")
    elif arrays.validation_fraction:
        training, validation = _hold_out(training, arrays.validation_fraction, seed, pipeline.placement)
        if raw:
            validation = pipeline.standardized_examples(validation)
    # Class weights and smoothed labels shape what is learned; validation measures the examples as they are.
    training = pipeline.with_class_weights(training, arrays.class_weight, kind)
    if training.weights is not None:
        require_some_weight(bool(pipeline.placement.xp.any(training.weights > 0)))
    epsilon = unit_interval("label_smoothing", arrays.label_smoothing)
    training = training._replace(Y=smoothed(training.Y, epsilon, kind, pipeline.output.activation))
    size = batch_of(batch_size, training.m, auto_batch)
    if standardizer is not None and not standardizer.fitted:
        standardizer = _fitted(standardizer, training, pipeline.placement)
        fitted = kept._replace(standardizer=standardizer)
        if not raw:
            training = fitted.standardized_examples(training, is_copy(arrays.X, training.X))
        if validation is not None:
            validation = fitted.standardized_examples(validation)
    if validation is not None and isinstance(validation.X, IntegerExamples):
        validation = validation._replace(X=validation.X.as_array())  # they are read after each epoch
    shape = arrays.X.shape[1:] if hasattr(arrays.X, "shape") else np.shape(arrays.X[0])
    return FitData(training, validation, kind, size, standardizer, tuple(map(int, shape)), raw, check=check)


def _hold_out(
    examples: Examples, fraction: float, seed: int, placement: Placement
) -> tuple[Examples, Examples]:
    """Training and validation parts, drawn with the seed."""

    def part(rows: Any) -> Examples:
        index = placement.to_device(rows)

        def some(array: Any) -> Any:
            if isinstance(array, SparseExamples):
                return array.take(rows)
            if isinstance(array, IntegerExamples):
                return array.take(index)
            return None if array is None else placement.xp.take(array.T, index, axis=0).T

        return Examples(*map(some, examples))

    training, held_out = split_rows(examples.m, fraction, seed)
    return part(training), part(held_out)


def split_rows(m: int, fraction: float, seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The rows that ``validation_fraction`` leaves for training, and those that it holds out; both in order.

    Raises
    ------
    ValueError
        If either part would be empty.
    """
    held = round(unit_interval("validation_fraction", fraction) * m)
    if not 0 < held < m:
        raise ValueError(f"validation_fraction={fraction} of {m} examples leaves a part empty")
    order = np.random.default_rng([seed, 2**31]).permutation(m).astype(np.int32)
    return np.sort(order[held:]), np.sort(order[:held])


def _fitted(standardizer: Standardizer, examples: Examples, placement: Placement) -> Standardizer:
    """A copy, fitted to the examples."""
    fitted = copy.deepcopy(standardizer)
    if isinstance(examples.X, SparseExamples):
        fitted.mean, fitted.deviation = fitted.measure_sparse(examples.X.rows)
        return fitted
    X, dtype = examples.X, None
    if isinstance(X, IntegerExamples):
        rows, dtype = X.rows, X.dtype
    else:
        rows = X.T
    fitted.mean, fitted.deviation = fitted.measure(
        placement.xp, rows, placement.to_device, placement.backend.to_host, dtype
    )
    return fitted


def batch_of(batch_size: int | str | None, m: int, auto: int) -> int:
    """The size of a batch of m examples: checked, "auto" and None resolved."""
    if isinstance(batch_size, str) and batch_size == "auto":
        return min(auto, m)
    if batch_size is None:
        return m
    if isinstance(batch_size, str):
        raise TypeError(
            f"batch_size must be a whole number, 'auto', or None for all examples at once, got {batch_size!r}"
        )
    size = positive_int("batch_size", batch_size)
    if size > m:
        raise ValueError(
            f"batch_size is {size}, but there are only {m} examples to train on; batch_size=None takes them "
            "all at once"
        )
    return size
