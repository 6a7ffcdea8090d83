"""The figures of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpunet import plots
from gpunet.summary import html_table


@dataclass
class History:
    """Losses, metrics and times of each epoch of a call of ``fit``, and the program that computed them.

    Attributes
    ----------
    loss : list of float
        Mean training loss of each epoch, measured batch by batch as the weights move.
    val_loss, val_accuracy : list of float
        On the validation data, after each epoch; empty without validation data. Accuracy is from 0 to 1, and
        empty for real targets.
    val_metrics : dict of str to list of float
        The metrics that ``fit(metrics=…)`` asked for, likewise, by name: ``history.val_metrics["f1"]``.
    seconds : list of float
        Training time of each epoch, validation left out.
    learning_rate : list of float
        Of each epoch's last update.
    learning_rate_factor : float
        By what the optimizer's learning rate is multiplied. A callback may change it: that counts from the next epoch
        on, on every backend. See :class:`gpunet.ReduceOnPlateau`.
    step_loss, step_learning_rate : array ``(steps,)`` or None
        Of each update of the last epoch: the loss of its batch before the update, and its learning rate. A callback
        that needs those of earlier epochs keeps a copy, as :class:`gpunet.CSVLog` does in its file.
    epochs : int
        Epochs that ran.
    examples : int
        Examples per epoch.
    program : str
        The program that ran: ``reference`` or a backend's own.
    reason : str
        Why that one.
    backend, device : str
    precision : str
        To what the factors of matrix products may have been rounded.
    stopped : str
        Why a callback ended the run; empty if none did.
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    val_metrics: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    learning_rate_factor: float = 1.0
    step_loss: Any = field(default=None, repr=False, compare=False)
    step_learning_rate: Any = field(default=None, repr=False, compare=False)
    epochs: int = 0
    examples: int = 0
    program: str = ""
    reason: str = ""
    backend: str = ""
    device: str = ""
    precision: str = "float32"
    stopped: str = ""

    @property
    def figures(self) -> dict[str, list[float]]:
        """The figures that were measured, one number per epoch each; a metric is called ``val_`` and its name."""
        figures = {
            "loss": self.loss,
            "val_loss": self.val_loss,
            "val_accuracy": self.val_accuracy,
            **{f"val_{name}": values for name, values in self.val_metrics.items()},
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
        }
        return {name: values for name, values in figures.items() if values}

    @property
    def examples_per_second(self) -> list[float]:
        """Training throughput of each epoch."""
        return [self.examples / max(seconds, 1e-9) for seconds in self.seconds]

    def plot(self, path: str | Path | None = None, *, network: Any = None) -> Any:
        """Loss and accuracy per epoch as a matplotlib figure, written to `path` if there is one.

        Parameters
        ----------
        path : path, optional
            ``.png``, ``.svg`` or ``.pdf``.
        network : Network, optional
            As for :func:`gpunet.plots.training`.

        Raises
        ------
        ValueError
            For another ending, and without an epoch.
        ImportError
            If matplotlib is not installed.
        OSError
            If there is no such folder, or the file can't be written.
        """
        return plots.training(self, path, network=network)

    def _repr_html_(self) -> str:
        """What notebooks show: the figures of the last epoch, and what ran."""
        figures = {
            "loss": self.loss,
            "validation loss": self.val_loss,
            "validation accuracy": self.val_accuracy,
            **{f"validation {name}": values for name, values in self.val_metrics.items()},
        }
        rows = [(name, f"{values[-1]:.4g}") for name, values in figures.items() if values]
        rows += [
            ("seconds", f"{sum(self.seconds):.1f}"),
            ("ran on", f"{self.backend}, {self.device}"),
            ("program", self.program),
        ]
        if self.precision != "float32":
            rows.append(("precision", self.precision))
        if self.stopped:
            rows.append(("stopped", self.stopped))
        return html_table(("epochs", f"{self.epochs}"), rows, "")
