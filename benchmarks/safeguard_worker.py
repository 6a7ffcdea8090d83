"""A process that trains with and without checkpoints: ``python -m benchmarks.safeguard_worker gpunet FILE_DESCRIPTOR``.

It answers as :mod:`benchmarks.worker` does.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import gpunet as gn
from benchmarks import datasets
from benchmarks.peers.gpunet import Implementation
from benchmarks.worker import serve


class SafeguardWorker:
    """gpunet.

    Parameters
    ----------
    name : {"gpunet"}
    settings : Settings
    """

    def __init__(self, name, settings):
        self.settings = settings

    def prepare(self, case, seconds):
        """Make data and network, and find how many epochs take about so many seconds; the name of the program."""
        data = datasets.read(self.settings.folder, case.architecture.dataset, case.examples)
        self.implementation = Implementation(case, data, self.settings)
        self.epochs = 2
        self.time_fit(None)  # compiles
        taken = self.time_fit(None)["seconds"]
        self.epochs = max(round(self.epochs * seconds / taken), 2)
        return {"program": self.implementation.program, "epochs": self.epochs}

    def time_fit(self, every):
        """A whole call of `fit`, with a checkpoint every so many seconds, or without any.

        ``updates`` are the seconds of the epochs alone: no checks, no drawing of orders, no checkpoints.
        """
        self.implementation.reset()
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None if every is None else gn.Checkpoint(folder, every=every, keep=10**6)
            started, cpu = time.perf_counter(), time.process_time()
            history = self.implementation.fit(self.epochs, checkpoint=checkpoint)
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            written = len(list(Path(folder).glob("*.safetensors")))
        return {
            "seconds": seconds,
            "cpu_seconds": cpu,
            "updates": sum(history.seconds),
            "checkpoints": written,
        }


if __name__ == "__main__":
    serve(SafeguardWorker)
