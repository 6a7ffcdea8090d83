"""What the parts of an estimator know of it, and what a classifier and a regressor differ in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.base import BaseEstimator

from gpunet.estimators.inputs import InputChecks
from gpunet.estimators.parameters import Allowed
from gpunet.tables.target import Target


class Estimator(InputChecks, BaseEstimator, ABC):  # type: ignore[misc]
    """scikit-learn's part of an estimator, its checks of input, and what each of the two classes says for itself."""

    loss: Any

    @abstractmethod
    def _targets(self, y: Any, *, first: bool, incremental: bool) -> Any:
        """Y as numbers ``(m, n[L])``, as the loss takes them; sets what is known of the targets."""

    @abstractmethod
    def _output(self) -> tuple[Any, Any]:
        """Activation of the output, and the loss."""

    @abstractmethod
    def _validation_score(self, A: Any, Y: Any, weights: Any) -> float:
        """The score of outputs on the validation set, rows on the host."""

    def _target(self) -> Target | None:
        """What a network's targets mean; None for numbers."""
        return None

    @abstractmethod
    def _constraints(self) -> dict[str, list[Allowed]]:
        """Those of the parameters that the other estimator lacks."""

    def _strata(self, Y: Any) -> Any:
        """What the split keeps the shares of; None for nothing."""
        return None

    @contextmanager
    def _unchanged_by_errors(self, before: dict[str, Any]) -> Iterator[None]:
        """What is refused changes nothing: an error gives the attributes back that were there before the call."""
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _class_weighted(self, y: Any, weights: Any) -> Any:
        """Weights of examples times those of their classes."""
        return weights
