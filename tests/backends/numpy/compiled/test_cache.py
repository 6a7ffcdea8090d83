"""Compiled code is kept on disk, and never used for other sources than those it was made of."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gpunet
from gpunet_numpy.compiled import cache
from gpunet_numpy.compiled.arguments import packed
from gpunet_numpy.compiled.intrinsics import kernel
from gpunet_numpy.compiled.kernels import Kernel

pytestmark = pytest.mark.slow

PROBE = """
from gpunet_numpy.compiled.intrinsics import kernel
from gpunet_numpy.compiled.probe_value import value

@kernel
def probe(out):
    out[0] = value()
"""
VALUE = """
from gpunet_numpy.compiled.intrinsics import inner

@inner
def value():
    return {}
"""
# What comes from disk is run without numba.
RUN = """
import sys
import time
import numpy as np
from gpunet_numpy.compiled.kernels import Kernel
out = np.zeros(1)
Kernel("gpunet_numpy.compiled.probe", "probe")(out)
print(int(out[0]), int("numba" not in sys.modules))
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


class Probe(Kernel):
    """A kernel of the tests' own that counts how often it is compiled."""

    count = 0

    @property
    def function(self):
        return plus

    def compiled(self, arguments):
        self.count += 1
        return super().compiled(arguments)


@kernel
def plus(x, y, out):
    out[0] = x + y


def hits(dtype="float32"):
    """Whether another process would find the code on disk; the result must be right."""
    probe, out = Probe(__name__, "plus"), np.zeros(1)
    number = np.dtype(dtype).type
    assert not probe.is_ready(dtype)
    for _ in range(2):
        probe(number(1), number(2), out)
        assert out[0] == 3
        assert probe.is_ready(dtype)
    assert not probe.is_ready("float64" if dtype == "float32" else "float32")
    return not probe.count


def on_disk(dtype="float32"):
    return cache.is_on_disk(Probe(__name__, "plus"), dtype)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """``file()``: the one that a kernel is kept in."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(cache, "folders", lambda: [folder])

    def found():
        (path,) = folder.glob("*.code")
        return path

    return found


def flip(place):
    def damage(path):
        data = bytearray(path.read_bytes())
        data[int(place * (len(data) - 1))] ^= 1
        path.write_bytes(data)

    return damage


DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no code": lambda path: path.write_bytes(hashlib.sha256(b"").digest()),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "one bit of the digest": flip(0),
    "one bit": flip(0.5),
    "one bit at the end": flip(1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_again(damage, file):
    """And saved, so that the next process finds it."""
    assert not on_disk()
    assert not hits()
    assert on_disk()
    assert hits()
    DAMAGES[damage](file())
    assert not on_disk()
    assert not hits()
    assert on_disk()
    assert hits()


def test_code_that_nobody_uses_is_removed(file, tmp_path):
    """When other code is written; that of another version stays while a process takes it from there now and then."""
    folder, now = tmp_path / "cache", time.time()
    assert not hits("float64")
    (used,) = folder.glob("*.code")
    old, new, other = folder / "old.code", folder / "new.code", folder / "old.txt"
    for path, days in ((used, 100), (old, 91), (new, 89), (other, 100)):
        path.touch()
        os.utime(path, (now - days * 86400, now - days * 86400))
    assert hits("float64")
    assert now - used.stat().st_mtime < 60
    assert not hits("float32")
    assert used.exists() and new.exists() and other.exists() and not old.exists()
    os.utime(used, (now - 3600, now - 3600))
    assert hits("float64")
    assert now - used.stat().st_mtime > 3000  # not marked at each use


def test_each_dtype_has_a_file_of_its_own(file, tmp_path):
    assert not hits("float64")
    assert (on_disk("float64"), on_disk("float32")) == (True, False)
    assert not hits("float32")
    assert hits("float64") and hits("float32")
    assert len(list((tmp_path / "cache").iterdir())) == 2  # no temporary file is left


def test_code_for_other_types_is_other_code(file, tmp_path):
    x = np.zeros((2, 3), "float32")
    kinds = [
        packed(one).kinds for one in (x, x[:, :2], x[0], x.astype("float64"), (x, x), 1, 1.0, np.float32(1))
    ]
    assert kinds == ["f2C", "f2A", "f1C", "d2C", "f2C f2C", "i", "d", "f"]
    assert len({cache.file_name("module", "name", (one,)) for one in kinds}) == len(kinds)
    assert cache.file_name("a", "name", ("i",)) != cache.file_name("b", "name", ("i",))
    assert cache.file_name("a", "name", ("i",)) != cache.file_name("a", "other", ("i",))


@pytest.mark.parametrize(
    ("name", "value"), [("get_host_cpu_name", lambda: "another"), ("get_process_triple", lambda: "another")]
)
def test_code_for_another_processor_is_not_used(name, value, file, monkeypatch):
    assert not hits()
    before = cache.machine.__wrapped__()
    monkeypatch.setattr(cache.llvm(), name, value)
    assert cache.machine.__wrapped__() != before
    monkeypatch.setattr(cache, "machine", cache.machine.__wrapped__)
    assert not on_disk()


def test_a_setting_of_numba_makes_other_code(monkeypatch):
    before = cache.machine.__wrapped__()
    for name in cache.SETTINGS:
        monkeypatch.setenv(name, "1")
        assert cache.machine.__wrapped__() != before
        monkeypatch.delenv(name)


def test_a_file_that_can_be_neither_read_nor_written(file):
    hits()
    path = file()
    path.unlink()
    (path / "inside").mkdir(parents=True)
    for _ in range(2):
        assert not on_disk()
        assert not hits()
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_folder_that_vanishes(file, tmp_path):
    assert not hits()
    shutil.rmtree(tmp_path / "cache")
    assert not on_disk()
    assert not hits()
    assert hits()  # the folder is there again


def test_no_folder(monkeypatch):
    monkeypatch.setattr(cache, "folders", list)
    for _ in range(2):
        assert not on_disk()
        assert not hits()
    assert Path(cache.shared_folder()).is_dir()


def test_a_full_disk(file, monkeypatch, tmp_path):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for _ in range(2):
        assert not hits()
    monkeypatch.undo()
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("platform", "settings", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "X"}, "X"),
        ("linux", {}, ".cache"),
        ("darwin", {"XDG_CACHE_HOME": "X"}, "Library/Caches"),
        ("win32", {"LOCALAPPDATA": "L"}, "L"),
        ("win32", {}, "AppData/Local"),
    ],
)
def test_the_folder_of_a_user(platform, settings, expected, monkeypatch, tmp_path):
    """Where that of the sources can't be written."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, folder in settings.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", platform)
    (tmp_path / "__pycache__").write_text("a file where a folder would have to be")
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    assert cache.writable_folder() == tmp_path / expected / "gpunet"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "set"))
    assert cache.writable_folder() == tmp_path / "set" / "gpunet"
    (tmp_path / "set" / "gpunet").rmdir()
    (tmp_path / "set" / "gpunet").write_text("a file")
    assert cache.writable_folder() is None


def test_code_in_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    """As in an image that somebody else has made: it is found there, and other code is kept in the user's folder."""
    image, user = tmp_path / "image", tmp_path / "user"
    monkeypatch.setattr(cache, "folders", lambda: [image, user])
    assert not hits("float32")
    assert len(list(image.iterdir())) == 1 and not user.exists()
    monkeypatch.setattr(cache, "_is_writable", lambda place: place == user and not place.mkdir(exist_ok=True))
    assert on_disk("float32") and hits("float32")
    assert not on_disk("float64") and not hits("float64")
    assert on_disk("float64") and hits("float64")
    assert len(list(image.iterdir())) == len(list(user.iterdir())) == 1
