"""A process that trains on images in a file: ``python -m benchmarks.stream_worker gpunet FILE_DESCRIPTOR``.

It answers as :mod:`benchmarks.worker` does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import gpunet as gn
import gpunet_cupy.kept
import gpunet_numpy.kept
from benchmarks import datasets, process_memory
from benchmarks.peers.gpunet import Implementation
from benchmarks.worker import serve

EPOCHS = 2


class StreamWorker:
    """gpunet.

    Parameters
    ----------
    name : {"gpunet"}
    settings : Settings
    """

    def __init__(self, name, settings):
        self.settings = settings
        self.folder = tempfile.TemporaryDirectory()

    def prepare(self, case):
        """Write images of uint8 to a file, and read them into memory; their megabytes."""
        data = datasets.read(self.settings.folder, case.architecture.dataset, case.examples)
        times = case.examples // len(data.X)  # the data set over and over
        path = Path(self.folder.name) / f"{case.examples}.npy"
        if not path.exists():
            np.save(path, np.tile(np.rint(255 * data.X).astype(np.uint8), (times, 1)))
        self.in_file, self.in_memory = np.load(path, mmap_mode="r"), np.load(path)
        self.implementation = Implementation(case, data, self.settings)
        self.implementation.Y = np.tile(data.Y.argmax(axis=1), times)
        for name in ("memory", "stream"):  # compiles, and fills the page cache
            self.time_fit(name)
        return {"file": self.in_memory.nbytes / 1e6}

    def time_fit(self, name):
        """Seconds of an epoch, and MB of memory beside what was there before."""
        made = self.implementation
        made.X = self.in_memory if name == "memory" else self.in_file
        made.reset()
        made.network.standardizer = gn.Standardizer("set")
        for kept in (gpunet_numpy.kept.KEPT, gpunet_cupy.kept.KEPT):
            kept.program = None  # the last run's would hide what a program takes
        before = process_memory.resident_mb()
        process_memory.reset_peak()
        history = made.fit(EPOCHS)
        return {
            "seconds": float(np.median(history.seconds)),
            "memory": process_memory.peak_mb() - before,
            "program": history.program,
            "loss": history.loss,
        }


if __name__ == "__main__":
    serve(StreamWorker)
