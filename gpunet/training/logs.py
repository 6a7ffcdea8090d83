"""Logs of a run in a file: CSV, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
from abc import abstractmethod
from pathlib import Path
from typing import Any

from gpunet.core.checks import known_name
from gpunet.files.atomic import require_folder, write_atomically
from gpunet.paths import file_path
from gpunet.training.callbacks import TrainedNetwork
from gpunet.training.history import History

EVERY = ("epoch", "step")


def epoch_row(network: Any, history: History) -> dict[str, float]:
    """The figures of the last epoch, with the number of epochs that the network has been trained for."""
    return {
        "epoch": network.epochs_trained,
        **{name: values[-1] for name, values in history.figures.items()},
        "examples_per_second": history.examples_per_second[-1],
    }


def step_rows(network: Any, history: History) -> list[dict[str, float]]:
    """The updates of the last epoch: their number in it, from 1, loss and learning rate."""
    epoch = network.epochs_trained
    pairs = zip(history.step_loss.tolist(), history.step_learning_rate.tolist(), strict=True)
    return [
        {"epoch": epoch, "step": step, "loss": loss, "learning_rate": rate}
        for step, (loss, rate) in enumerate(pairs, start=1)
    ]


class FileLog:
    """Rows in a file, written after every epoch; a later ``fit`` adds to them.

    A run that goes on from a checkpoint first removes the rows that were written after it.

    Parameters
    ----------
    path : path
    every : {"epoch", "step"}
        "epoch": a row per epoch, with every figure of ``history.figures`` and the examples per second. "step": a row
        per update, with epoch, step, loss and learning rate. Use two logs for both.
    """

    beginning: str  # of the first line

    def __init__(self, path: str | Path, every: str = "epoch") -> None:
        self.path = file_path("path", path)
        self.every = known_name("every", every, EVERY)

    def start(self, network: TrainedNetwork) -> None:
        """Check that the file can be written, and that one that exists is such a log.

        Raises
        ------
        OSError
            If it can't be written.
        ValueError
            If it holds something else.
        """
        require_folder(self.path)
        self.path.open("ab").close()
        first = self.first_line()
        if not first or self.is_row(first):
            return
        begins_alike = first[: len(self.beginning)] == self.beginning[: len(first)]
        if begins_alike and not first.endswith("\n"):
            self.path.write_bytes(b"")  # a crash left part of the first line, and nothing else
        else:
            raise ValueError(f"{self.path} exists and is not such a log: choose another file, or remove it")

    def first_line(self) -> str:
        """The first line of the file; empty where there is none, or no file any more."""
        try:
            with self.path.open("rb") as file:
                return file.readline().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def __call__(self, network: TrainedNetwork, history: History) -> None:
        """Write the rows of the epoch that has ended."""
        rows = step_rows(network, history) if self.every == "step" else [epoch_row(network, history)]
        text = self.text(rows)
        with self.path.open("ab+") as file:
            size = file.tell()
            if size:
                file.seek(size - 1)
                text = text if file.read() == b"\n" else f"\n{text}"  # a crash left half a row
            file.write(text.encode())

    def state(self) -> dict[str, int]:
        """What a checkpoint keeps of it: how many lines the file has."""
        try:
            return {"lines": len(self.path.read_bytes().splitlines())}
        except FileNotFoundError:  # somebody removed it; the next row begins it again
            return {"lines": 0}

    def set_state(self, state: dict[str, int]) -> None:
        """Remove the lines that were written after the checkpoint: their epochs run again."""
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:  # of a finished run nothing is written again
            return
        if len(lines) > state["lines"]:
            write_atomically(self.path, b"".join(lines[: state["lines"]]))

    @abstractmethod
    def is_row(self, line: str) -> bool:
        """Whether a file that begins with this line is such a log."""

    @abstractmethod
    def text(self, rows: list[dict[str, float]]) -> str:
        """Rows with the same figures, as they are written to the end of the file."""


class CSVLog(FileLog):
    """Write the figures of every epoch, or of every update, to a CSV file.

    Numbers have all their digits; what was not measured is empty. Where a later ``fit`` measures more than the file has
    columns for, they are added.

    Parameters
    ----------
    path : path
    every : {"epoch", "step"}
        "epoch": a row per epoch, with every figure of ``history.figures`` and the examples per second. "step": a row
        per update, with epoch, step, loss and learning rate. Use two logs for both.

    Raises
    ------
    ValueError, TypeError
        If `every` is neither of these, or `path` no path; by ``fit``, if the file holds something else than such a log.
    OSError
        By ``fit``, if the file can't be written.

    Examples
    --------
    ``net.fit(X, y, callbacks=[gn.CSVLog("run.csv"), gn.CSVLog("steps.csv", every="step")])``
    """

    beginning = "epoch,"

    def is_row(self, line: str) -> bool:
        """Whether it is the whole header of a log."""
        return line.endswith("\n") and line.rstrip("\r\n").split(",")[0] == "epoch"

    def text(self, rows: list[dict[str, float]]) -> str:
        """The rows, after a header where the file is empty."""
        columns, first = list(rows[0]), self.first_line()
        if not first:
            return _csv(columns, rows, header=True)
        old = next(csv.reader([first]))
        columns = old + [name for name in columns if name not in old]
        if columns != old:
            self._add_columns(columns)
        return _csv(columns, rows, header=False)

    def _add_columns(self, columns: list[str]) -> None:
        """Write the file anew, with empty cells in the columns that it lacks."""
        lines = self.path.read_bytes().decode(errors="replace").splitlines()
        write_atomically(self.path, _csv(columns, list(csv.DictReader(lines)), header=True).encode())


def _csv(columns: list[str], rows: list[dict[str, Any]], *, header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class JSONLog(FileLog):
    """Write the figures of every epoch, or of every update, to a file of JSON lines: one object per line.

    A figure that is not finite is null: JSON has no such numbers.

    Parameters
    ----------
    path : path
    every : {"epoch", "step"}
        As for :class:`CSVLog`.

    Raises
    ------
    ValueError, TypeError
        If `every` is neither of these, or `path` no path; by ``fit``, if the file holds something else than such a log.
    OSError
        By ``fit``, if the file can't be written.

    Examples
    --------
    ``net.fit(X, y, callbacks=gn.JSONLog("run.jsonl"))``
    """

    beginning = '{"epoch": '

    def is_row(self, line: str) -> bool:
        """Whether it is an object with an epoch."""
        try:
            row = json.loads(line)
        except ValueError:
            return False
        return isinstance(row, dict) and "epoch" in row

    def text(self, rows: list[dict[str, float]]) -> str:
        """The rows."""
        finite = (
            {name: value if math.isfinite(value) else None for name, value in row.items()} for row in rows
        )
        return "".join(f"{json.dumps(row)}\n" for row in finite)


def file_log(path: str | Path, every: str = "epoch") -> FileLog:
    """The log for the ending of a path: ``.csv``, or ``.jsonl``.

    Raises
    ------
    ValueError
        For another ending.
    """
    kinds: dict[str, type[FileLog]] = {".csv": CSVLog, ".jsonl": JSONLog}
    kind = kinds.get(file_path("path", path).suffix.lower())
    if kind is None:
        raise ValueError(f"a log file ends in {' or '.join(kinds)}; got {str(path)!r}")
    return kind(path, every)
