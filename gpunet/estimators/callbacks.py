"""gpunet's callbacks beside an estimator's epochs: they see a network with its weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sklearn.base import is_classifier

from gpunet.core.checks import finite_number
from gpunet.core.plan import Plan
from gpunet.devices.placement import Placement
from gpunet.network import Network
from gpunet.training.callbacks import (
    Callback,
    call_callbacks,
    checked_callbacks,
    finish_callbacks,
    started,
)
from gpunet.training.history import History
from gpunet.training.monitors import require_monitored
from gpunet.training.plateau import ReduceOnPlateau


class Callbacks:
    """The callbacks of one ``fit``.

    Parameters
    ----------
    callbacks : sequence of callable
    network : Network
        With the weights at the start; it gets those of each epoch.
    history : History

    Attributes
    ----------
    start : list of ``(W, b)`` or None
        The weights that callbacks have set before the first epoch.
    """

    def __init__(self, callbacks: Sequence[Callback], network: Network, history: History) -> None:
        self.callbacks, self.network, self.history = callbacks, network, history
        self.factor = history.learning_rate_factor  # of the learning rate in force
        self.started = time.perf_counter()
        before = network.parameters
        with started(callbacks, network):
            self.start = self._set_since(before)

    def epoch(
        self, parameters: Any, loss: float, learning_rate: float | None, validation: dict[str, float]
    ) -> tuple[bool, Any]:
        """Call them after an epoch, or an iteration of L-BFGS.

        Parameters
        ----------
        parameters : sequence of ``(W, b)``
        loss : float
        learning_rate : float or None
            None where there is none.
        validation : dict of str to float
            ``"loss"`` and ``"accuracy"`` on the validation set, if there is one.

        Returns
        -------
        ended : bool
            Whether one of them ends the run.
        given : list of ``(W, b)`` or None
            The weights that they have set.
        """
        history = self.history
        history.loss.append(loss)
        if learning_rate is not None:
            history.learning_rate.append(learning_rate)
        history.seconds.append(time.perf_counter() - self.started)
        history.epochs += 1
        if "loss" in validation:
            history.val_loss.append(validation["loss"])
        if "accuracy" in validation:
            history.val_accuracy.append(validation["accuracy"])
        self.network.set_parameters(parameters)
        self.network.epochs_trained += 1
        before = self.network.parameters
        ended = call_callbacks(self.callbacks, self.network, history)
        given = self._set_since(before)
        self.started = time.perf_counter()
        return ended, given

    def rate_change(self) -> float:
        """By what the callbacks have multiplied the learning rate since this was asked last."""
        factor = finite_number(
            "history.learning_rate_factor", self.history.learning_rate_factor, 0.0, strict=True
        )
        change, self.factor = factor / self.factor, factor
        return change

    def finish(self) -> Any:
        """End the run; the weights that the callbacks leave instead of the last epoch's, or None."""
        last = self.network.parameters
        finish_callbacks(self.callbacks, self.network, self.history)
        return self._set_since(last)

    def _set_since(self, before: Any) -> Any:
        """The network's weights, if they are others than `before`; else None."""
        now, xp = self.network.parameters, self.network.placement.xp
        pairs = zip(before, now, strict=True)
        same = all(bool(xp.all(a == b)) for pair in pairs for a, b in zip(*pair, strict=True))
        return None if same else now


def required_callbacks(estimator: Any) -> list[Callback]:
    """The callbacks of an estimator.

    Raises
    ------
    TypeError
        For what is no callback.
    ValueError
        If one needs what the estimator's run will not have.
    """
    callbacks = checked_callbacks(estimator.callbacks)
    validated = estimator.early_stopping and estimator.solver != "lbfgs"
    kind = "classes" if is_classifier(estimator) else "values"
    how = "set early_stopping=True"
    if estimator.solver == "lbfgs":
        how = "the solver 'lbfgs' has no validation figures; use 'adam' or 'sgd' with early_stopping=True"
    require_monitored(callbacks, validated, kind, metrics=None, to_validate=how)
    for callback in callbacks:
        if getattr(callback, "every", None) == "step":
            raise ValueError(
                f"{type(callback).__name__} with every='step': an estimator has no figures of single updates; use "
                "every='epoch', or a gpunet.Network"
            )
        if isinstance(callback, ReduceOnPlateau) and estimator.solver == "lbfgs":
            raise ValueError("ReduceOnPlateau: the solver 'lbfgs' has no learning rate; use 'adam' or 'sgd'")
    return callbacks


def callbacks_of(
    estimator: Any, plan: Plan, placement: Placement, program: str, reason: str
) -> Callbacks | None:
    """The callbacks of a run of an estimator; None without any."""
    callbacks = required_callbacks(estimator)
    if not callbacks:
        return None
    history = History(
        examples=plan.examples,
        program=program,
        reason=reason,
        backend=placement.backend.name,
        device=placement.device,
    )
    network = estimator.to_network(f"{placement.backend.name}:{placement.device}")
    network.epochs_trained = len(getattr(estimator, "loss_curve_", ()))
    return Callbacks(callbacks, network, history)
