"""What ``fit`` needs of its data, whether they are in memory or come block by block."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from gpunet.core.checks import unit_interval
from gpunet.inputs.blocks.blocks import Blocks
from gpunet.inputs.blocks.opened import sliced
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.blocks.survey import survey
from gpunet.inputs.columns import in_order
from gpunet.inputs.fit_data import FitArrays, FitData, batch_of, fit_data
from gpunet.inputs.pipeline import Examples, InputPipeline

# That the inputs of a batch may take, where the examples come from blocks: larger ones are computed in parts.
BATCH_BYTES = 2**27


def fit_examples(
    pipeline: InputPipeline,
    arrays: FitArrays,
    batch_size: int | str | None,
    seed: int,
    auto_batch: int,
    *,
    raw: bool = False,
) -> FitData:
    """As :func:`gpunet.inputs.fit_data.fit_data`, for X and validation X that may be blocks.

    Blocks are read once here. Their standardizer is fitted in that pass.

    Raises
    ------
    ValueError, TypeError
        For bad input; for ``validation_fraction`` of blocks, and a transform of batches that are computed in parts.
    """
    held = arrays.validation_data
    streamed = held is not None and isinstance(held[0], Blocks)
    rest = arrays._replace(validation_data=None) if streamed else arrays
    if isinstance(arrays.X, Blocks):
        data = _of_blocks(pipeline, rest, batch_size, auto_batch, raw)
    else:
        data = fit_data(pipeline, rest, batch_size, seed, auto_batch, raw=raw)
    if not streamed:
        return data
    after = pipeline._replace(inputs=data.size[0], standardizer=data.standardizer)
    held = _in_order_of(arrays.X, *held)
    return data._replace(validation=checked_stream(after, *held, prefix="validation ")[0])


def checked_stream(
    pipeline: InputPipeline, X: Blocks, y: Any, sample_weight: Any = None, *, prefix: str = ""
) -> tuple[Stream, str]:
    """Blocks to be evaluated on, all read once, and what their targets mean."""
    blocks = with_targets(X, y, sample_weight, prefix)
    kind = survey(blocks, pipeline, None, 0.0, fit=False, prefix=prefix).kind
    return Stream(blocks, pipeline, prefix=prefix), kind


def with_targets(X: Blocks, y: Any, sample_weight: Any, prefix: str = "") -> Blocks:
    """The blocks with targets and weights that are given beside them."""
    return X.beside(sliced(f"{prefix}y", y), sliced(f"{prefix}sample_weight", sample_weight))


def _of_blocks(
    pipeline: InputPipeline, arrays: FitArrays, batch_size: int | str | None, auto_batch: int, raw: bool
) -> FitData:
    if arrays.validation_fraction:
        raise ValueError(
            "validation_fraction needs all rows in memory, and X is read block by block: give validation_data, which "
            "may be read so too"
        )
    epsilon = unit_interval("label_smoothing", arrays.label_smoothing)
    standardizer, blocks = pipeline.standardizer, with_targets(arrays.X, arrays.y, arrays.sample_weight)
    fit = standardizer is not None and not standardizer.fitted
    if not blocks.sequential:  # what they are is known before they are read
        _size_of_batch(batch_size, blocks, auto_batch, pipeline.dtype, raw)
    found = survey(blocks, pipeline, arrays.class_weight, epsilon, fit=fit)
    if standardizer is not None and fit:
        assert found.moments is not None
        standardizer = copy.deepcopy(standardizer)
        standardizer.mean, standardizer.deviation = standardizer.measured(found.moments, found.dtype)
    n = int(found.sample.X[0].size)
    pipeline = pipeline._replace(standardizer=standardizer, inputs=n)
    size, in_parts = _size_of_batch(batch_size, blocks, auto_batch, pipeline.dtype, raw)
    stream = Stream(blocks, pipeline, raw=raw, class_weight=found.class_weight, epsilon=epsilon)
    sample: Examples = stream.on_device(stream.examples(found.sample))
    validation = None
    if arrays.validation_data is not None:
        held = _in_order_of(blocks, *arrays.validation_data)
        validation, _ = pipeline.examples(*held, prefix="validation ")
    shape: Any = blocks.shape[1:]
    return FitData(
        sample, validation, found.kind, size, standardizer, tuple(shape), raw, stream, in_parts=in_parts
    )


def _in_order_of(blocks: Any, X: Any, *more: Any) -> tuple[Any, ...]:
    """Validation data, whose columns are in the order of those of blocks that have been read."""
    names = blocks.column_names if isinstance(blocks, Blocks) else None
    return X if names is None else in_order("validation X", X, tuple(names)), *more


def _size_of_batch(
    batch_size: int | str | None, blocks: Blocks, auto_batch: int, dtype: str, raw: bool
) -> tuple[int, bool]:
    """The size of a batch, and whether it is computed in parts."""
    size, n = batch_of(batch_size, len(blocks), auto_batch), math.prod(blocks.shape[1:])
    most = BATCH_BYTES // (np.dtype(dtype).itemsize * max(n, 1))
    if raw and size > most:
        what = "batch_size=None, a full batch," if batch_size is None else f"batch_size={size}"
        raise ValueError(
            f"transform changes a whole batch, and {what} takes {size:,} examples of {n:,} features, of which X, read "
            f"block by block because it is large, has some at a time in memory. Give a batch_size of {most:,} at most "
            f"({BATCH_BYTES >> 20} MiB), or leave transform out"
        )
    return size, size > most
