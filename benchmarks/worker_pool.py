"""One worker process per implementation, of which only one measures at a time."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.environment import ROOT, worker_environment
from benchmarks.worker_process import WorkerProcess

PAUSE = 0.03  # seconds, in which the previous worker's threads stop spinning


class WorkerPool:
    """Starts an implementation's process when it is first needed.

    Parameters
    ----------
    settings : Settings
    module : str
        What runs in it.
    """

    def __init__(self, settings, module="benchmarks.worker"):
        self.settings, self.module = settings, module
        self.workers = {}
        self.log = (Path(settings.folder) / "workers.log").open("ab")

    def call(self, name, method, *arguments):
        """Call a method of the module's worker in the process of the implementation `name`.

        Raises
        ------
        MeasurementFailed, Unsupported
        """
        if name not in self.workers or not self.workers[name].running:
            self._start(name)
        time.sleep(PAUSE)
        return self.workers[name].ask((method, arguments))

    def _start(self, name):
        environment, cores, count = (
            worker_environment(self.settings, name),
            machine.cores_of_process(),
            self.settings.threads,
        )
        if count < len(cores):
            environment["OMP_NUM_THREADS"] = str(count)
        self.workers[name] = WorkerProcess(
            [sys.executable, "-m", self.module, name],
            environment,
            ROOT,
            self.log,
            cores[:count] if count < len(cores) else None,
        )
        self.workers[name].ask(self.settings)

    def close(self):
        for worker in self.workers.values():
            worker.close()
        self.log.close()
