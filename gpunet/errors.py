"""The errors and warnings that have no built-in name."""

from __future__ import annotations

import inspect
import warnings


class BackendUnavailable(ImportError):
    """A known backend that can't be used here; the message says what to install."""


class Diverged(ArithmeticError):
    """A loss stopped being finite. The network keeps the weights of the last step with a finite loss.

    Attributes
    ----------
    epoch : int
        Epoch of this fit, from 1.
    step : int
        Update within that epoch, from 1.
    """

    def __init__(self, message: str, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step


class OutOfMemory(MemoryError):
    """A device ran out of memory. The network keeps the weights it had."""


class AnotherRun(ValueError):
    """A folder of checkpoints holds a run of another call of ``fit``; the message says what differs."""


class CheckpointDamaged(UserWarning):
    """A checkpoint is cut short or damaged; the one before it is taken."""


class CheckpointNotWritten(UserWarning):
    """A checkpoint could not be written; training goes on, and the older ones are as they were."""


class FolderInUse(RuntimeError):
    """Another run writes its checkpoints to the folder."""


class ColumnsIgnored(UserWarning):
    """A table or DataFrame has columns that the network was not trained on."""


class TeamError(RuntimeError):
    """The ranks of a team can't go on together; the message says why, and what to do."""


class RankFailed(TeamError):
    """Another rank of a team raised an error; the message has it. This rank has stopped where that one did."""


class RanksDiffer(ValueError):
    """The ranks of a team were to train different things; the message says what differs, and where."""


class FileRefused(ValueError):
    """A file that is not a network saved by gpunet, or one that is damaged."""


class FunctionsNotSaved(UserWarning):
    """A network was saved whose own activations or loss :func:`gpunet.load` will have to be given."""


class RowsLeftOut(UserWarning):
    """Rows whose target is missing were left out of training or evaluation."""


class UndefinedMetric(UserWarning):
    """A metric is not defined for the predictions of an epoch, such as ROC AUC where there is one class only."""


class UnscaledInputs(UserWarning):
    """The inputs of ``fit`` are large (mean ``|x|`` above 10), and the network has no standardizer."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line outside of gpunet that led here, however many calls it is away."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "gpunet":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level + 1)
