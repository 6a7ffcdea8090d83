"""Logs of a run in TensorBoard, MLflow or Weights & Biases, by the tool's own client, which is imported when used."""

from __future__ import annotations

import contextlib
import importlib
import time
from pathlib import Path
from typing import Any

from gpunet.core.checks import known_name
from gpunet.paths import file_path
from gpunet.training.callbacks import TrainedNetwork
from gpunet.training.history import History
from gpunet.training.logs import EVERY, epoch_row, step_rows

MOST_METRICS = 1000  # in one call of MLflow's


class TensorBoardLog:
    """Write the figures of every epoch for TensorBoard: ``tensorboard --logdir FOLDER`` shows them.

    By tensorboardX, or by ``torch.utils.tensorboard`` where that is installed instead.

    Parameters
    ----------
    folder : path
        One per run, such as ``runs/1``.
    every : {"epoch", "step"}
        "step" adds loss and learning rate of each update, as ``step/loss`` and ``step/learning_rate``.

    Raises
    ------
    ImportError
        If neither is installed.
    ValueError, TypeError
        If `every` is neither of these, or `folder` no path.
    """

    def __init__(self, folder: str | Path, every: str = "epoch") -> None:
        self.folder = file_path("folder", folder)
        self.every = known_name("every", every, EVERY)
        self._module = _client("TensorBoardLog", "tensorboardX", "torch.utils.tensorboard")
        self._writer: Any = None

    def start(self, network: TrainedNetwork) -> None:
        """Open the folder."""
        # Files are named by the second: without a suffix a later one would replace the first.
        self._writer = self._module.SummaryWriter(str(self.folder), filename_suffix=f".{time.time_ns()}")

    def __call__(self, network: TrainedNetwork, history: History) -> None:
        """Write the figures of the epoch that has ended."""
        for step, row in _step_figures(self.every, network, history):
            _add_scalars(self._writer, row, step)
        epoch, row = _epoch_figures(network, history)
        _add_scalars(self._writer, row, epoch)
        self._writer.flush()

    def finish(self, network: TrainedNetwork, history: History) -> None:
        """Close the folder."""
        self._writer.close()


def _add_scalars(writer: Any, row: dict[str, float], step: int) -> None:
    for name, value in row.items():
        writer.add_scalar(name, value, step)


class MLflowLog:
    """Log the figures of every epoch to MLflow: to the active run, or else to one of its own.

    Parameters
    ----------
    every : {"epoch", "step"}
        "step" adds loss and learning rate of each update, as ``step/loss`` and ``step/learning_rate``.

    Raises
    ------
    ImportError
        If MLflow is not installed.
    ValueError
        If `every` is neither of these.
    """

    def __init__(self, every: str = "epoch") -> None:
        self.every = known_name("every", every, EVERY)
        self._mlflow = _client("MLflowLog", "mlflow")

    def start(self, network: TrainedNetwork) -> None:
        """Start a run, if none is active."""
        self._own = self._mlflow.active_run() is None  # whether the run is this log's
        if self._own:
            self._mlflow.start_run()

    def __call__(self, network: TrainedNetwork, history: History) -> None:
        """Log the figures of the epoch that has ended."""
        now = int(time.time() * 1000)
        figures = [*_step_figures(self.every, network, history), _epoch_figures(network, history)]
        Metric = self._mlflow.entities.Metric
        metrics = [Metric(name, value, now, step) for step, row in figures for name, value in row.items()]
        client, run = self._mlflow.MlflowClient(), self._mlflow.active_run().info.run_id
        for first in range(0, len(metrics), MOST_METRICS):
            client.log_batch(run, metrics=metrics[first : first + MOST_METRICS])

    def finish(self, network: TrainedNetwork, history: History) -> None:
        """End the run, if it is this log's."""
        if self._own:
            self._mlflow.end_run()


class WandbLog:
    """Log the figures of every epoch to Weights & Biases: to the run of ``wandb.init``, or else to one of its own.

    Parameters
    ----------
    every : {"epoch", "step"}
        "step" adds loss and learning rate of each update, as ``step/loss`` and ``step/learning_rate``, over
        ``step/update``.
    **settings
        For ``wandb.init``, such as ``project="digits"``.

    Raises
    ------
    ImportError
        If wandb is not installed.
    ValueError
        If `every` is neither of these.
    """

    def __init__(self, every: str = "epoch", **settings: Any) -> None:
        self.every = known_name("every", every, EVERY)
        self.settings = settings
        self._wandb = _client("WandbLog", "wandb")

    def start(self, network: TrainedNetwork) -> None:
        """Start a run, if there is none; say over what its figures are drawn."""
        self._own = self._wandb.run is None  # whether the run is this log's
        if self._own:
            self._wandb.init(**self.settings)
        run = self._wandb.run
        run.define_metric("*", step_metric="epoch")
        run.define_metric("step/*", step_metric="step/update")

    def __call__(self, network: TrainedNetwork, history: History) -> None:
        """Log the figures of the epoch that has ended."""
        run = self._wandb.run
        for step, row in _step_figures(self.every, network, history):
            run.log({"step/update": step, **row})
        run.log(epoch_row(network, history))

    def finish(self, network: TrainedNetwork, history: History) -> None:
        """End the run, if it is this log's."""
        if self._own:
            self._wandb.run.finish()


def _epoch_figures(network: Any, history: History) -> tuple[int, dict[str, float]]:
    """The epoch's number, and its figures by name."""
    row = epoch_row(network, history)
    return int(row.pop("epoch")), row


def _step_figures(every: str, network: Any, history: History) -> list[tuple[int, dict[str, float]]]:
    """The number of each update of the epoch, counted over all epochs, and its figures; none unless asked for."""
    if every != "step":
        return []
    rows = step_rows(network, history)
    before = (network.epochs_trained - 1) * len(rows)
    return [
        (before + int(row["step"]), {f"step/{name}": row[name] for name in ("loss", "learning_rate")})
        for row in rows
    ]


def _client(log: str, *names: str) -> Any:
    """The first of these modules that is installed."""
    for name in names:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    raise ImportError(
        f"{log} needs {names[0]}, which is not installed; install it with: pip install {names[0]}"
    )
