"""Callbacks that monitor one figure of the history: early stopping, and saving the best network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpunet.core.checks import finite_number, flag, known_name, positive_int
from gpunet.files.atomic import require_writable
from gpunet.paths import file_path
from gpunet.training.callbacks import TrainedNetwork
from gpunet.training.history import History

# The sign that makes a larger value better
SIGN = {"loss": -1.0, "val_loss": -1.0, "val_accuracy": 1.0}
MODES = {"max": 1.0, "min": -1.0}


def require_monitored(
    callbacks: list[Any],
    validated: bool,
    kind: str,
    metrics: Mapping[str, bool | None] | None,
    to_validate: str = "give fit validation_data or validation_fraction",
) -> None:
    """Raise a ValueError if a callback or a Checkpoint monitors a figure that this run will not have.

    `metrics` are the run's, by name, and whether higher is better; None: such a run has none. Callbacks that were given
    no mode learn it here. `to_validate` says how a run gets validation figures.
    """
    for callback in callbacks:
        if not getattr(callback, "monitored", False):
            continue
        wanted = f"{type(callback).__name__} monitors {callback.monitor!r}"
        if callback.monitor != "loss" and not validated:
            raise ValueError(
                f"{wanted}, which this run does not measure: {to_validate}, or use monitor='loss'"
            )
        if callback.monitor not in SIGN:
            if metrics is None:
                raise ValueError(f"{wanted}, which this run does not measure; it has {', '.join(SIGN)}")
            name = callback.monitor.removeprefix("val_")
            if name not in metrics:
                listed = ", ".join(f"val_{metric}" for metric in metrics) or "none"
                raise ValueError(
                    f"{wanted}, which this run does not measure: give fit metrics=[{name!r}]; its metrics are "
                    f"{listed}"
                )
            callback.learn_direction(metrics[name])
        if callback.monitor == "val_accuracy" and kind == "values":
            raise ValueError(f"{wanted}, but real targets have no accuracy; use monitor='val_loss'")


class Monitored:
    """One figure of the history, and which way it gets better.

    Parameters
    ----------
    monitor : {"val_loss", "val_accuracy", "loss"} or ``"val_"`` and the name of a metric
    mode : {"max", "min"} or None
        What is better. None: what is known of the figure; a metric that is a function of your own needs a mode.
    """

    def __init__(self, monitor: str, mode: str | None) -> None:
        is_text = isinstance(monitor, str)
        shortened = is_text and any(name.startswith(monitor) for name in SIGN)  # as "val_acc" is
        metric = is_text and monitor.startswith("val_") and not shortened
        try:
            self.monitor = monitor if metric else known_name("monitor", monitor, SIGN)
        except ValueError as error:
            raise ValueError(f"{error} A metric of fit is monitored as 'val_' and its name.") from None
        self.mode = None if mode is None else known_name("mode", mode, MODES)
        self.sign = SIGN.get(self.monitor) if self.mode is None else MODES[self.mode]

    @property
    def monitored(self) -> bool:
        """Whether the figure is used."""
        return True

    def learn_direction(self, higher_is_better: bool | None) -> None:
        """Take over what is known of a metric, unless a mode was given.

        Raises
        ------
        ValueError
            If neither is known.
        """
        if self.mode is not None:
            return
        if higher_is_better is None:
            raise ValueError(
                f"{type(self).__name__} monitors {self.monitor!r}, a function of your own: say with mode='max' or "
                "mode='min' what is better"
            )
        self.sign = MODES["max" if higher_is_better else "min"]

    def signed(self, history: History) -> float:
        """The newest figure, with the sign that makes a larger one better."""
        assert self.sign is not None  # `require_monitored` has seen to it
        return self.sign * history.figures[self.monitor][-1]


class Monitor(Monitored):
    """Monitors one figure of the history, and keeps the weights of its best epoch.

    Parameters
    ----------
    monitor : {"val_loss", "val_accuracy", "loss"} or ``"val_"`` and the name of a metric
        The figure, one of :attr:`gpunet.History.figures`.
    min_delta : float
        Smallest change that counts as better.
    mode : {"max", "min"} or None
        What is better; None: what is known of the figure.
    """

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0.0, mode: str | None = None) -> None:
        super().__init__(monitor, mode)
        self.min_delta = finite_number("min_delta", min_delta, 0.0)
        self.start(None)

    def start(self, network: TrainedNetwork | None) -> None:
        """Reset: a run begins."""
        self.epoch = 0
        self.value = -math.inf
        self.parameters: Any = None

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"epoch": self.epoch, "value": self.value, "parameters": self.parameters}

    def set_state(self, state: dict[str, Any]) -> None:
        """Be as :meth:`state` said."""
        self.epoch, self.value, self.parameters = state["epoch"], state["value"], state["parameters"]

    def improved(self, history: History) -> bool:
        """Whether the newest epoch is the best so far; if so, it is the one to beat."""
        value = self.signed(history)
        # Written so that NaN is never better; any number is better than −∞, which is there first.
        if not value > self.value + self.min_delta:
            return False
        self.value, self.epoch = value, history.epochs
        return True

    def better(self, network: TrainedNetwork, history: History) -> bool:
        """Whether the newest epoch is the best so far; if so, its weights are kept."""
        if not self.improved(history):
            return False
        self.parameters = network.parameters
        return True


class EarlyStopping(Monitor):
    """End the run when a figure has stopped getting better, and go back to the best weights.

    Parameters
    ----------
    patience : int
        Epochs without a better figure before the run ends.
    monitor : {"val_loss", "val_accuracy", "loss"} or ``"val_"`` and the name of a metric
        The figure, one of :attr:`gpunet.History.figures`.
    min_delta : float
        Smallest change that counts as better.
    restore_best : bool
        Whether the network gets the weights of the best epoch when the run ends, early or not.
    mode : {"max", "min"} or None
        What is better; None: what is known of the figure. A metric that is a function of your own needs a mode.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    def __init__(
        self,
        patience: int = 5,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str | None = None,
    ) -> None:
        super().__init__(monitor, min_delta, mode)
        self.patience = positive_int("patience", patience)
        self.restore_best = flag("restore_best", restore_best)

    def __call__(self, network: TrainedNetwork, history: History) -> bool:
        """True when the run should end."""
        if self.better(network, history) or history.epochs - self.epoch < self.patience:
            return False
        if self.epoch:
            history.stopped = f"{self.monitor} has not improved since epoch {self.epoch}"
        else:
            history.stopped = f"{self.monitor} has not been a finite number"
        return True

    def finish(self, network: TrainedNetwork, history: History) -> None:
        """Restore the best weights."""
        if self.restore_best and self.parameters is not None:
            network.set_parameters(self.parameters)


class SaveNetwork(Monitor):
    """Save the network after every epoch, or after every one that is the best so far.

    Parameters
    ----------
    path : path
        Written whole or not at all: a crash leaves the old or the new file.
    best_only : bool
    monitor : {"val_loss", "val_accuracy", "loss"} or ``"val_"`` and the name of a metric
        What "best" means.
    mode : {"max", "min"} or None
        What is better; None: what is known of the figure. A metric that is a function of your own needs a mode.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    OSError
        By ``fit``, if the file can't be written.
    """

    def __init__(
        self,
        path: str | Path,
        best_only: bool = False,
        monitor: str = "val_loss",
        mode: str | None = None,
    ) -> None:
        super().__init__(monitor, mode=mode)
        self.path = file_path("path", path)
        self.best_only = flag("best_only", best_only)

    @property
    def monitored(self) -> bool:
        """Whether the figure is used."""
        return self.best_only

    def start(self, network: TrainedNetwork | None) -> None:
        """Check that the file can be written, and reset."""
        if network is not None:
            require_writable(self.path)
        super().start(network)

    def __call__(self, network: TrainedNetwork, history: History) -> None:
        """Save, if this epoch is to be saved."""
        if not self.best_only or self.better(network, history):
            network.save(self.path)
