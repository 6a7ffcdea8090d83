"""The figures of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """Figures per epoch, and the program that computed them.

    Attributes
    ----------
    loss : list of float
        Mean training loss of each epoch, measured batch by batch as the weights move.
    val_loss, val_accuracy : list of float
        On the validation data, after each epoch; empty without validation data. Accuracy is from 0 to 1, and
        empty for real targets.
    seconds : list of float
        Training time of each epoch, validation left out.
    learning_rate : list of float
        Of each epoch's last update.
    epochs : int
        Epochs that ran.
    examples : int
        Examples per epoch.
    program : str
        The program that ran: ``reference`` or a backend's own.
    reason : str
        Why that one.
    backend, device : str
    stopped : str
        Why the run ended before its last epoch; empty if it did not.
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    epochs: int = 0
    examples: int = 0
    program: str = ""
    reason: str = ""
    backend: str = ""
    device: str = ""
    stopped: str = ""

    @property
    def examples_per_second(self) -> list[float]:
        """Training throughput of each epoch."""
        return [self.examples / max(seconds, 1e-9) for seconds in self.seconds]
