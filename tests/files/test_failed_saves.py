"""A save that fails or is killed leaves the old file, whole."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
from gpunet.files.atomic import write_atomically
from saved_networks import network, same


class Crash(Exception):
    pass


@pytest.mark.parametrize("stage", ["open", "fsync", "fchmod", "replace"])
@pytest.mark.parametrize("error", [Crash, KeyboardInterrupt, OSError])
def test_a_failed_save_leaves_the_old_file_and_no_other(saved, monkeypatch, stage, error):
    old = saved.read_bytes()

    def crash(*arguments, **more):
        raise error("no space left")

    other = network()
    monkeypatch.setattr(os, {"open": "fdopen"}.get(stage, stage), crash)
    with pytest.raises(error, match="no space"):
        other.save(saved)
    monkeypatch.undo()
    assert saved.read_bytes() == old
    assert os.listdir(saved.parent) == [saved.name]
    other.save(saved)
    assert saved.read_bytes() != old or same(gn.load(saved, "numpy"), other)


def test_a_write_that_fails_half_way(saved, monkeypatch):
    old = saved.read_bytes()
    fdopen = os.fdopen

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "fdopen", lambda *a: Full(fdopen(*a)))
    with pytest.raises(OSError, match="no space"):
        network().save(saved)
    assert saved.read_bytes() == old
    assert os.listdir(saved.parent) == [saved.name]


def test_killed_in_the_middle_of_saving(tmp_path):
    """Whenever the process dies, the file is one whole version."""
    path = tmp_path / "file"
    program = (
        "import sys; from pathlib import Path; from gpunet.files.atomic import write_atomically as w\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for c in b'ab': w(Path(sys.argv[1]), bytes([c]) * 3_000_000)\n"
    )
    root = Path(__file__).parents[2]
    rng = np.random.default_rng(0)
    write_atomically(path, b"a" * 3_000_000)
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (root, root / "backends")))},
        )
        child.stdout.readline()
        try:
            child.wait(0.02 + 0.1 * rng.random())
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        found = path.read_bytes()
        assert len(found) == 3_000_000
        assert found == found[:1] * 3_000_000


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_may_not_be_written(saved, monkeypatch, there):
    """The error names the file that was asked for, and not one that nobody knows."""
    path = saved if there else saved.with_name("another")
    opened = os.open

    def refused(name, flags, *mode, **more):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(name))
        return opened(name, flags, *mode, **more)

    old = saved.read_bytes()
    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(PermissionError) as caught:
        network().save(path)
    monkeypatch.undo()
    assert str(caught.value) == f"[Errno {errno.EACCES}] can't save to {path}: Permission denied"
    assert saved.read_bytes() == old and os.listdir(saved.parent) == [saved.name]
