"""JAX over all local devices: four of the CPU's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gpunet as gn

ROOT = Path(gn.__file__).parents[1]


@pytest.mark.slow
def test_four_devices_share_out_a_batch():
    pytest.importorskip("jax")
    paths = [ROOT, ROOT / "backends", ROOT / "tests" / "support"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, str(ROOT / "tests" / "support" / "jax_devices_job.py")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found.pop("difference") < 1e-5
    assert found == {
        "devices": ["cpu", "cpu:1", "cpu:2", "cpu:3", "all"],
        "ran on": "all",
        "copies": 4,
        "adds over devices": [False, True],
        "predicts": 5,
        "moved": "cpu:2",
        "of all": "all",
    }


def test_one_device_is_not_called_all():
    pytest.importorskip("jax")
    assert "all" not in gn.get_backend("jax").devices()
