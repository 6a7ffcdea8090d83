"""The forward pass of a network's weights: by code of the backend's own, where it has some."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gpunet.core.activations import ActivationLike
from gpunet.core.program import TrainState
from gpunet.devices.backend import Backend, HostPredictor
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.inputs.arrays import require_finite
from gpunet.inputs.pipeline import InputPipeline
from gpunet.training.evaluation import Evaluation

Array = Any


class ForwardPass:
    """From checked rows to outputs.

    The backend's own pass is made for one state, and made again for another one. It lasts as long as this object: a
    copy of a network begins with a new one.
    """

    def __init__(self) -> None:
        self.made: tuple[TrainState, Callable[[Array], Array | None] | None] | None = None

    def outputs(
        self,
        pipeline: InputPipeline,
        rows: Array,
        activations: Sequence[ActivationLike],
        state: TrainState,
        first_row: int = 0,
    ) -> Array:
        """``A[L]`` as rows, on the pipeline's placement, where the state is too.

        Parameters
        ----------
        pipeline : InputPipeline
        rows : array or sparse rows
            As the pipeline gives them; of an array, numbers need not be finite.
        activations : sequence of str and Activation
        state : TrainState
        first_row : int
            The number of the first row, in messages.

        Raises
        ------
        ValueError
            For rows that are not finite.
        """
        placement, sparse = pipeline.placement, is_sparse(rows)  # and checked
        faster = None if sparse else self._faster(placement.backend, activations, state)
        standardized = pipeline.standardized(rows)
        A = None if faster is None else faster(standardized)
        if A is not None:
            return A
        if not sparse:
            require_finite(placement.xp, "X", rows, first_row)
        X = pipeline.columns(standardized)
        return Evaluation(placement, activations).outputs(state.parameters, X)

    def outputs_on_host(
        self,
        pipeline: InputPipeline,
        X: Any,
        backend: Backend,
        activations: Sequence[ActivationLike],
        state: TrainState,
    ) -> Array | None:
        """``A[L]`` as NumPy rows, for few rows that are on the host; None for others.

        None too if the backend, where the state is, has no such forward pass, or the rows are not all finite. The
        pipeline is one of the host.
        """
        if is_sparse(X):
            return None
        predictor = self._faster(backend, activations, state)
        if not isinstance(predictor, HostPredictor) or _length(X) > predictor.host_rows:
            return None
        return predictor.from_host(pipeline.standardized(pipeline.rows("X", X, finite=False)))

    def _faster(
        self, backend: Backend, activations: Sequence[ActivationLike], state: TrainState
    ) -> Callable[[Array], Array | None] | None:
        """The backend's own forward pass of these weights."""
        if self.made is None or self.made[0] is not state:
            self.made = state, backend.predictor(activations, state.parameters)
        return self.made[1]


def _length(X: Any) -> float:
    """The number of rows of an array or a list; infinity for what is neither."""
    shape = getattr(X, "shape", None)
    if shape is None and isinstance(X, list | tuple):
        return len(X)
    return shape[0] if shape else math.inf
