"""A lower learning rate when a figure has stopped getting better."""

from __future__ import annotations

from typing import Any

from gpunet.core.checks import finite_number, positive_int
from gpunet.training.callbacks import TrainedNetwork
from gpunet.training.history import History
from gpunet.training.monitors import Monitor


class ReduceOnPlateau(Monitor):
    """Multiply the learning rate by `factor` when a figure has not got better for `patience` epochs.

    It sets ``history.learning_rate_factor``, which counts from the next epoch on: of a schedule, every later rate is
    multiplied. ``history.learning_rate`` says what the rate was.

    Parameters
    ----------
    monitor : {"val_loss", "val_accuracy", "loss"} or ``"val_"`` and the name of a metric
        The figure, one of :attr:`gpunet.History.figures`.
    factor : float
        Above 0 and below 1.
    patience : int
        Epochs without a better figure before the rate is lowered; so many again before it is lowered once more.
    min_rate : float
        The rate is not lowered below this.
    min_delta : float
        Smallest change that counts as better.
    mode : {"max", "min"} or None
        What is better; None: what is known of the figure. A metric that is a function of your own needs a mode.

    Attributes
    ----------
    waited : int
        Epochs since the best one, or since the rate was lowered.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.5,
        patience: int = 5,
        min_rate: float = 0.0,
        min_delta: float = 0.0,
        mode: str | None = None,
    ) -> None:
        self.factor = finite_number("factor", factor, 0.0, strict=True)
        if self.factor >= 1.0:
            raise ValueError(f"factor must be below 1, got {factor!r}")
        self.patience = positive_int("patience", patience)
        self.min_rate = finite_number("min_rate", min_rate, 0.0)
        super().__init__(monitor, min_delta, mode)

    def start(self, network: TrainedNetwork | None) -> None:
        """Reset: a run begins."""
        super().start(network)
        self.waited = 0

    def __call__(self, network: TrainedNetwork, history: History) -> None:
        """Lower the rate of the epochs that follow, if it is time to."""
        self.waited = 0 if self.improved(history) else self.waited + 1
        if self.waited < self.patience:
            return
        self.waited = 0
        rate = history.learning_rate[-1]
        if rate > self.min_rate:
            history.learning_rate_factor *= max(self.factor, self.min_rate / rate)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it; the factor of the rate is in the history."""
        return {**super().state(), "waited": self.waited}

    def set_state(self, state: dict[str, Any]) -> None:
        """Be as :meth:`state` said."""
        super().set_state(state)
        self.waited = state["waited"]
