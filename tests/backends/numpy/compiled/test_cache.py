"""Compiled code is kept on disk, and never used for other sources than those it was made of."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gpunet
from gpunet_numpy.compiled import cache

pytestmark = pytest.mark.slow

PROBE = """
from gpunet_numpy.compiled.intrinsics import kernel
from gpunet_numpy.compiled.probe_value import value

@kernel
def probe():
    return value()
"""
VALUE = """
from gpunet_numpy.compiled.intrinsics import inner

@inner
def value():
    return {}
"""
RUN = """
from gpunet_numpy.compiled.probe import probe
print(probe(), sum(probe.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the package, with a kernel of two files."""
    backends = tmp_path / "backends"
    shutil.copytree(
        Path(cache.FOLDER).parent, backends / "gpunet_numpy", ignore=shutil.ignore_patterns("__pycache__")
    )
    compiled = backends / "gpunet_numpy" / "compiled"
    (compiled / "probe.py").write_text(PROBE)
    (compiled / "probe_value.py").write_text(VALUE.format(1))
    return compiled


def start(package, **settings):
    paths = [str(package.parents[1]), str(Path(gpunet.__file__).parents[1])]
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    env |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1", **settings}
    return subprocess.Popen(
        [sys.executable, "-c", RUN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def finish(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return tuple(int(word) for word in out.split())


def test_an_edit_of_an_imported_file_is_seen(package):
    assert finish(start(package)) == (1, 0)
    assert finish(start(package)) == (1, 1)
    (package / "probe_value.py").write_text(VALUE.format(2))
    assert finish(start(package)) == (2, 0)
    assert finish(start(package)) == (2, 1)


def test_a_folder_that_cannot_be_written(package, tmp_path):
    (package / "__pycache__").write_text("a file where a folder would have to be")
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert finish(start(package, **home)) == (1, 0)
    assert finish(start(package, **home)) == (1, 1)


def test_two_processes_may_compile_at_once(package):
    both = [start(package) for _ in range(2)]
    assert [finish(one)[0] for one in both] == [1, 1]
    assert finish(start(package))[0] == 1


def test_every_source_is_in_the_digest(monkeypatch, package):
    monkeypatch.setattr(cache, "FOLDER", package)
    digests = {cache.digest.__wrapped__()}
    for path in sorted(package.rglob("*.py")):
        before = path.read_text()
        path.write_text(before + "\n")
        digests.add(cache.digest.__wrapped__())
        path.write_text(before)
    (package / "another.py").write_text("")
    digests.add(cache.digest.__wrapped__())
    assert len(digests) == 2 + len(list(package.rglob("*.py"))) - 1
