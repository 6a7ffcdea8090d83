"""The figures of a network on examples, as users read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.losses import LossLike
from gpunet.core.propagation import Parameters
from gpunet.devices.memory import memory_errors
from gpunet.devices.placement import Placement
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.pipeline import Examples
from gpunet.inputs.tabular import Tabular
from gpunet.training.evaluation import Evaluation
from gpunet.training.metrics import Metrics
from gpunet.training.results import Results, results_of

Array = Any

FEWER_ROWS = "Use fewer rows at a time"  # where memory is short


class Evaluator(NamedTuple):
    """Measures parameters on examples: losses and values are in the target's own unit."""

    evaluation: Evaluation
    loss: LossLike
    tabular: Tabular

    @property
    def placement(self) -> Placement:
        """Where parameters and examples are."""
        return self.evaluation.placement

    def figures(
        self, parameters: Parameters, examples: Examples | Stream, kind: str, measures: Metrics | None = None
    ) -> dict[str, float]:
        """Loss, accuracy where there is one, and each metric, by name."""
        pairs: list[tuple[Array, Array]] = []
        keep = pairs.append if measures else None
        with self.placement.context(), memory_errors(self.placement, FEWER_ROWS):
            figures = self.evaluation.figures(self.loss, parameters, examples, kind, keep)
        figures["loss"] = self.own_loss(figures["loss"])
        if measures:
            figures |= measures(self.results(pairs, kind))
        return figures

    def predicted(self, parameters: Parameters, examples: Examples | Stream, kind: str) -> Results:
        """Targets and predictions, as metrics take them."""
        parts = examples.parts() if isinstance(examples, Stream) else [examples]
        with self.placement.context(), memory_errors(self.placement, FEWER_ROWS):
            pairs = [(part.Y, self.evaluation.outputs(parameters, part.X).T) for part in parts]
            return self.results(pairs, kind)

    def own_loss(self, loss: Any) -> Any:
        """A loss in the target's own unit."""
        return self.tabular.loss(loss, str(self.loss))

    def results(self, pairs: Sequence[tuple[Array, Array]], kind: str) -> Results:
        """Targets and outputs, columns in chunks, as metrics take them.

        Both are from one pass: the next one may bring the same examples in another order.
        """
        to_host = self.placement.backend.to_host
        Y, A = (
            np.concatenate([to_host(chunk) for chunk in some], axis=1) for some in zip(*pairs, strict=True)
        )
        return results_of(Y.T, A.T, kind, self.evaluation.activations[-1], self.tabular.values)

    def require_computable(self, measures: Metrics, validation: Examples | Stream | None, kind: str) -> None:
        """Raise a ValueError for metrics that the validation data do not have."""
        measures.require_accuracy(kind)
        if not measures:
            return
        if validation is None:
            raise ValueError(
                "metrics are measured on validation data: give fit validation_data or validation_fraction"
            )
        activation, Y = self.evaluation.activations[-1], self.placement.backend.to_host(validation.Y.T)
        # Perfect predictions; only softmax gives probabilities of exclusive classes.
        A = Y / 2 if kind == "classes" and activation != "softmax" else Y
        measures.require_computable(results_of(Y, A, kind, activation, self.tabular.values))
