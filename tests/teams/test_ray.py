"""A team of Ray Train's workers, one of which is killed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gpunet as gn
from mpi_job import JOBS

ROOT = Path(gn.__file__).parents[1]
WORKERS = 2


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray: it is not installed")
def test_after_a_worker_was_killed_the_workers_go_on(tmp_path):
    paths = [ROOT, ROOT / "backends", ROOT / "tests" / "support"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "RAY_TRAIN_V2_ENABLED": "1",
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": "/tmp",  # paths of sockets must be short
    }
    command = [sys.executable, str(ROOT / "tests" / "support" / "ray_job.py"), str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "killed").exists()
    alone = tmp_path / "alone"
    alone.mkdir()
    expected = JOBS["train"](gn.Team("alone"), alone)
    for rank in range(WORKERS):
        assert (tmp_path / f"{rank} of {WORKERS}").read_text() == expected
