"""Measurements that need a new process each time."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

from benchmarks.environment import ROOT, worker_environment
from benchmarks.errors import MeasurementFailed


def measure(quantity, name, settings, case, **variables):
    """The figures of :mod:`benchmarks.fresh_worker` for the implementation `name`.

    Parameters
    ----------
    quantity : {"first_epoch", "memory"}
    name : str
    settings : Settings
    case : Case
    **variables
        Environment variables of the process.

    Raises
    ------
    MeasurementFailed
    """
    described = [json.dumps(dataclasses.asdict(value)) for value in (settings, case)]
    return printed("benchmarks.fresh_worker", [quantity, name, *described], settings, name, **variables)


def printed(module, arguments, settings, name, **variables):
    """What a module prints last, as JSON, in a new process for the implementation `name`; see :func:`measure`."""
    ran = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=worker_environment(settings, name) | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise MeasurementFailed(
            (ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"])[-1][:300]
        )
    return json.loads(ran.stdout.strip().splitlines()[-1])
