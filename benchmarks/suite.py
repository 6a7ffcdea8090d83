"""One run of the suite: which implementations are measured, their processes, and what the results say of the run."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path

from benchmarks import datasets, machine, peers, result_file
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
    cores_wanted : list of int
        On how many cores training is measured beside all of them.
    keep : str or None
        A folder for the data sets and the description of the machine: they are taken from there if an earlier run has
        left them. None for a temporary one.
    """

    def __init__(self, backend, quick, peers_wanted, cores_wanted=(), keep=None):
        self.quick = quick
        device = device_of(backend)
        self.names, excluded = peers.selected(peers_wanted, quick, device)
        self.temporary = None
        if keep is None:
            self.temporary = tempfile.TemporaryDirectory(prefix="gpunet-benchmarks-")
        folder = Path(keep or self.temporary.name)
        folder.mkdir(parents=True, exist_ok=True)
        known = about(folder, backend, quick)
        sample_seconds, rounds = (0.1, 3) if quick or device == "cuda" else (0.25, 5)
        self.settings = Settings(backend, str(folder), machine.available_cores(), sample_seconds, rounds)
        self.pool = WorkerPool(self.settings)
        self.some_cores = None  # the pool of workers that have fewer
        self.record = {
            **known,
            "excluded": {peers.IMPLEMENTATIONS[name].label: reason for name, reason in excluded.items()},
        }
        if missing := [str(count) for count in cores_wanted if count > machine.available_cores()]:
            note = f"not measured on {', '.join(missing)} cores: there are {machine.available_cores()}."
            self.record["notes"] = [note]

    @property
    def peak(self):
        """The machine's best ``sgemm``, in GFLOP/s."""
        return self.record["machine"]["sgemm_gflops"]["best"]

    def pool_on(self, cores):
        """The processes of implementations that have so many cores; those on another number are ended."""
        if self.some_cores is None or self.some_cores.settings.threads != cores:
            self._close_some_cores()
            self.some_cores = WorkerPool(dataclasses.replace(self.settings, threads=cores))
        return self.some_cores

    def _close_some_cores(self):
        if self.some_cores is not None:
            self.some_cores.close()
            self.some_cores = None

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
        self._close_some_cores()
        self.pool.close()
        if self.temporary is not None:
            self.temporary.cleanup()


def about(folder, backend, quick):
    """What the results say of machine and data, which are written to `folder` unless they are there."""
    known = folder / "about.json"
    if not known.exists():
        found = {"machine": machine.describe(backend, quick), "data": datasets.write_all(folder)}
        result_file.write(known, found)
    return json.loads(known.read_text())
