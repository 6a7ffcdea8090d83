"""Compiled code is kept on disk, and never used for other sources than those it was made of."""

import errno
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.caching import IndexDataCacheFile

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


PLUS = """
from gpunet_numpy.compiled.intrinsics import kernel

@kernel
def plus(x, y):
    return x + y
"""


@pytest.fixture
def plus(tmp_path, monkeypatch):
    """``plus()``: a kernel, imported afresh as in another process; and the files of its cache."""
    from numba import config

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "plus_module.py"
    source.write_text(PLUS)

    def imported():
        spec = importlib.util.spec_from_file_location("plus_module", source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.plus

    return imported, lambda suffix: next((tmp_path / "cache").rglob(f"*{suffix}"))


def hits(kernel):
    """Whether a call of a kernel found its code in the cache; the result must be right."""
    assert kernel(np.float32(1), np.float32(2)) == 3
    return sum(kernel.stats.cache_hits.values())


def flip(place):
    def damage(path):
        data = bytearray(path.read_bytes())
        data[int(place * (len(data) - 1))] ^= 1
        path.write_bytes(data)

    return damage


def replace_by_folder(path):
    path.unlink()
    (path / "inside").mkdir(parents=True)


DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "another pickle": lambda path: path.write_bytes(pickle.dumps(("0.1", 7))),
    "one bit": flip(0.5),
    "one bit near the end": flip(0.97),
}


@pytest.mark.parametrize(
    ("damage", "suffix"),
    [
        (name, suffix)
        for name in DAMAGES
        for suffix in (".nbi", ".nbc")
        if "bit" not in name or suffix == ".nbc"
    ],
)
def test_a_damaged_file_is_compiled_again(damage, suffix, plus):
    """And saved, so that the next process finds it."""
    imported, file = plus
    assert hits(imported()) == 0
    assert hits(imported()) == 1
    DAMAGES[damage](file(suffix))
    assert not cache.is_on_disk(imported(), "float32")
    assert hits(imported()) == 0
    assert cache.is_on_disk(imported(), "float32")
    assert hits(imported()) == 1


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_file_that_can_be_neither_read_nor_written(suffix, plus):
    imported, file = plus
    hits(imported())
    replace_by_folder(file(suffix))
    for _ in range(2):
        assert not cache.is_on_disk(imported(), "float32")
        assert hits(imported()) == 0


def test_a_folder_that_vanishes(plus, tmp_path):
    imported, _ = plus
    kernel = imported()
    shutil.rmtree(tmp_path / "cache")
    assert hits(kernel) == 0
    assert hits(imported()) == 1  # the folder is there again


def test_a_full_disk(plus, monkeypatch):
    imported, _ = plus

    def full(self, obj):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "_dump", full)
    for _ in range(2):
        assert hits(imported()) == 0
    monkeypatch.undo()
    assert not cache.is_on_disk(imported(), "float32")
