"""The parameters of an estimator as a plan and a solver."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gpunet.core.plan import Layer, Plan
from gpunet.estimators.interface import Estimator
from gpunet.estimators.optimizers import AdamSolver, SGDSolver
from gpunet.estimators.parameters import ACTIVATION_NAMES

AUTO_BATCH = 200


def has_epochs(estimator: Any) -> bool:
    """Whether ``partial_fit`` is there."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for the solvers 'adam' and 'sgd', not for 'lbfgs'."
        )
    return True


class Settings(Estimator):
    """The part of an estimator that says what its parameters mean for training."""

    def _activations(self, hidden: int) -> tuple[Any, ...]:
        """Each layer's activation, by gpunet's names."""
        given = self.activation
        each = list(given) if isinstance(given, list | tuple | np.ndarray) else [given] * hidden
        if len(each) != hidden:
            raise ValueError(
                f"activation has {len(each)} entries, there are {hidden} hidden layers: give one for each"
            )
        return (*(ACTIVATION_NAMES.get(one, one) for one in each), self._output()[0])

    def _dropouts(self, hidden: int) -> list[float]:
        """The rate at which each layer's inputs are dropped: those of the first never are."""
        given = self.dropout
        each = list(given) if isinstance(given, list | tuple | np.ndarray) else [given] * hidden
        if len(each) != hidden:
            raise ValueError(
                f"dropout has {len(each)} entries, there are {hidden} hidden layers: give one for each"
            )
        if any(each) and self.solver == "lbfgs":
            raise ValueError(
                "dropout is for the solvers 'adam' and 'sgd': 'lbfgs' follows one and the same loss"
            )
        return [0.0, *(float(rate) for rate in each)]

    def _plan(
        self,
        sizes: list[int],
        activations: tuple[Any, ...],
        dtype: str,
        examples: int,
        weighted: bool,
        sparse: bool,
    ) -> Plan:
        rates = self._dropouts(len(sizes) - 2)
        layers = tuple(Layer(sizes[l], sizes[l + 1], activations[l], rates[l]) for l in range(len(sizes) - 1))
        return Plan(
            layers,
            self._output()[1],
            self._make_solver().rule,
            examples,
            self._batch_size(examples),
            dtype,
            weighted,
            penalized=self.alpha > 0,
            sparse=sparse,
        )

    def _batch_size(self, examples: int) -> int:
        if self.solver == "lbfgs":
            return examples
        if isinstance(self.batch_size, str):
            return min(AUTO_BATCH, examples)
        if self.batch_size > examples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=6,
            )
        return int(min(self.batch_size, examples))

    def _make_solver(self) -> AdamSolver | SGDSolver:
        if self.solver == "adam":
            return AdamSolver(self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        return SGDSolver(
            self.learning_rate_init, self.learning_rate, self.momentum, self.nesterovs_momentum, self.power_t
        )
