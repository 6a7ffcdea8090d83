"""Transforms of the training batches: data augmentation, mixup and the like.

Some batches at a time are transformed and laid side by side, in the order of their use. A program then reads them
like any other examples, so that every program has transforms, and memory does not grow with the training set.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.core.reference import columns
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.arrays import require_finite, to_device_array
from gpunet.inputs.dtypes import dtype_name
from gpunet.inputs.pipeline import Examples, InputPipeline
from gpunet.inputs.targets import targets
from gpunet.training.frozen import FrozenBase

Array = Any


def takes_targets(transform: Any) -> bool:
    """Whether a transform is to be called ``(X, y, rng)``, else ``(X, rng)``.

    Raises
    ------
    TypeError
        If it can't be called either way.
    """
    if not callable(transform):
        raise TypeError(f"transform must be a function (X, rng) or (X, y, rng), got {transform!r}")
    try:
        signature = inspect.signature(transform)
    except ValueError:  # some functions that are not written in Python do not tell
        return False

    def accepts(count: int) -> bool:
        try:
            signature.bind(*[None] * count)
        except TypeError:
            return False
        return True

    if not accepts(2) and not accepts(3):
        raise TypeError(
            f"transform must be a function (X, rng) or (X, y, rng); its parameters are {signature}"
        )
    return accepts(3) and (not accepts(2) or "y" in signature.parameters)


class Transform:
    """A user's function, and what surrounds it.

    Parameters
    ----------
    function : callable ``(X, rng) -> X`` or ``(X, y, rng) -> (X, y)``
    shape : tuple of int
        Of one example, as ``fit`` was given it.
    batch_size : int
    seed : int
        Of the network.
    pipeline : InputPipeline
        With the standardizer that comes after the transform.
    base : FrozenBase
        Whose outputs the program reads.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        shape: tuple[int, ...],
        batch_size: int,
        seed: int,
        pipeline: InputPipeline,
        base: FrozenBase,
    ) -> None:
        self.function = function
        self.with_targets = takes_targets(function)
        self.shape = shape
        self.batch_size = batch_size
        self.seed = seed
        self.pipeline = pipeline
        self.base = base
        self.kept: tuple[int, range, Examples] | None = None  # the last batches: of which epoch and steps

    def standardized(self, X: Array | SparseExamples) -> Array | SparseExamples:
        """Columns with the standardizer applied."""
        return self.pipeline.standardized_columns(X)

    def examples(self, given: Examples, order: Any, begin: int, epoch: int, steps: range) -> Examples:
        """The batches of some steps, transformed; columns in the order of their use, as a program reads them.

        The last ones are kept, for a program that does some of the steps at a time.

        Parameters
        ----------
        given : Examples
            The training set, or those of some steps, before the standardizer.
        order : int32 array or None
            In which they are used, on the host.
        begin : int
            The step that uses the first of them.
        epoch : int
            How often the network has been trained on all examples before.
        steps : range
            Of the epoch.
        """
        if self.kept is None or self.kept[:2] != (epoch, steps):
            self.kept = None  # before others take its place in memory
            self.kept = epoch, steps, self._changed(given, order, begin, epoch, steps)
        return self.kept[2]

    def _changed(self, given: Examples, order: Any, begin: int, epoch: int, steps: range) -> Examples:
        placement = self.pipeline.placement
        xp, size = placement.xp, self.batch_size
        if order is None:
            order = np.arange(given.m, dtype=np.int32)
        first, last = ((step - begin) * size for step in (steps.start, steps.stop))
        chosen = placement.to_device(order[first:last])
        count = chosen.shape[0]
        batches = []
        for i, step in enumerate(steps):
            batch = chosen[i * size : min((i + 1) * size, count)]
            # Copies: a function may write into what it is given.
            X, Y = (columns(xp, A, batch).T for A in (given.X, given.Y))
            # The function may write the next batch into the array that it has returned.
            changed = self._batch(X, Y, epoch, step)
            batches.append([xp.asarray(A, copy=True) for A in changed])
        X, Y = (xp.concat(parts, axis=0) for parts in zip(*batches, strict=True))
        weights = None if given.weights is None else columns(xp, given.weights, chosen)
        return Examples(self.base.outputs(self.pipeline.standardized(X)).T, Y.T, weights)

    def _batch(self, X: Array, Y: Array, epoch: int, step: int) -> tuple[Array, Array]:
        """Rows of inputs and targets, transformed and checked."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch, step)))
        where = f"in epoch {epoch + 1}, step {step + 1}"
        given = self.pipeline.placement.xp.reshape(X, (X.shape[0], *self.shape))
        try:
            result = self.function(given, Y, rng) if self.with_targets else self.function(given, rng)
        except Exception as error:
            error.add_note(f"raised by transform {where}; the network is as it was after the last epoch")
            raise
        if not self.with_targets:
            return self._inputs(result, X, where), Y
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise TypeError(
                f"transform must return the pair (X, y); {where} it returned {_described(result)}"
            )
        return self._inputs(result[0], X, where), self._targets(result[1], X.shape[0], where)

    def _inputs(self, result: Any, X: Array, where: str) -> Array:
        """The result as rows like X."""
        wanted = (X.shape[0], *self.shape)
        if result is None:
            raise TypeError(f"transform must return X, of shape {wanted}; {where} it returned None")
        name = f"X that transform returned {where}"
        placement, dtype = self.pipeline.placement, dtype_name(X)
        changed = to_device_array(name, result, placement, dtype)
        if tuple(changed.shape) != wanted:
            raise ValueError(f"{name} must have the shape that it was given, {wanted}; got {changed.shape}")
        rows = placement.xp.reshape(changed, X.shape)
        require_finite(placement.xp, name, rows)
        return rows

    def _targets(self, result: Any, m: int, where: str) -> Array:
        """The result as rows of targets."""
        if result is None:
            raise TypeError(f"transform must return the pair (X, y); {where} y is None")
        placement, dtype, _, output, loss, *_ = self.pipeline
        name = f"y that transform returned {where}"
        return targets(name, result, placement, dtype, m, output.units, output.activation, loss).Y.T


def _described(result: Any) -> str:
    """What a function returned, in a word."""
    return f"{len(result)} items" if isinstance(result, tuple | list) else type(result).__name__
