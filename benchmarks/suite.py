"""One run of the suite: which implementations are measured, their processes, and what the results say of the run."""

from __future__ import annotations

import tempfile

from benchmarks import datasets, machine, peers
from benchmarks.settings import Settings, device_of
from benchmarks.worker_pool import WorkerPool


class Suite:
    """A run.

    Parameters
    ----------
    backend : str
        gpunet's.
    quick : bool
        Few cases and short samples.
    peers_wanted : list of str
        Names of peers; empty for all that are installed.
    """

    def __init__(self, backend, quick, peers_wanted):
        self.quick = quick
        device = device_of(backend)
        self.names, excluded = peers.selected(peers_wanted, quick, device)
        self.folder = tempfile.TemporaryDirectory(prefix="gpunet-benchmarks-")
        sample_seconds, rounds = (0.1, 3) if quick or device == "cuda" else (0.25, 5)
        self.settings = Settings(backend, self.folder.name, machine.available_cores(), sample_seconds, rounds)
        self.pool = WorkerPool(self.settings)
        self.record = {
            "machine": machine.describe(backend, quick),
            "data": datasets.write_all(self.folder.name),
            "excluded": {peers.IMPLEMENTATIONS[name].label: reason for name, reason in excluded.items()},
        }

    @property
    def peak(self):
        """The machine's best ``sgemm``, in GFLOP/s."""
        return self.record["machine"]["sgemm_gflops"]["best"]

    def among(self, names):
        """Those of `names` that are measured in this run, gpunet first."""
        return [name for name in self.names if name in names]

    def training(self, case):
        """The implementations that train `case`."""
        about = peers.IMPLEMENTATIONS
        names = [name for name in self.names if about[name].trains]
        if case.precision != "float32":
            return [name for name in names if about[name].precisions]
        return [name for name in names if case.includes_slow or not about[name].slow]

    def predicting(self):
        """The implementations whose inference is measured."""
        return [name for name in self.names if peers.IMPLEMENTATIONS[name].predicts]

    def close(self):
        self.pool.close()
        self.folder.cleanup()
