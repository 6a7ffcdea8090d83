"""A folder of checkpoints on a disk that fails, without locks, removed, or used by two."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import gpunet as gn
from gpunet.files import atomic
from gpunet.files.checkpoint_folder import CheckpointFolder, NotTidied
from gpunet.files.saved_network import SavedNetwork

fcntl = pytest.importorskip("fcntl")
CALLS = ("open", "fsync", "replace", "unlink", "listdir", "fdopen")


def saved(epochs, activation="identity"):
    """A network that was trained for so many epochs."""
    W = np.full((1, 2), epochs, "float32")
    return SavedNetwork(
        [gn.Dense(1, activation)], "squared_error", 2, 0, "float32", None, [(W, W[:, :1])], epochs, {}
    )


def names(folder):
    return sorted(path.name for path in folder.path.iterdir())


class Failing:
    """Call number `number` of those in `CALLS` fails, and every later one of the same name."""

    def __init__(self, number, code):
        self.left, self.code, self.name = number, code, None

    def patched(self, patch):
        for name in CALLS:
            patch.setattr(os, name, self.one(name, getattr(os, name)))

    def one(self, name, original):
        def call(*arguments, **more):
            self.left -= 1
            if self.left == 0:
                self.name = name
            if self.name == name:
                if name == "fdopen":
                    os.close(arguments[0])
                raise OSError(self.code, os.strerror(self.code))
            return original(*arguments, **more)

        return call


@pytest.mark.parametrize("keep", [1, 3])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE])
def test_whatever_call_fails_a_checkpoint_is_there(tmp_path, monkeypatch, code, keep):
    """This one or the one before it; and once the disk works again, all is as if nothing had happened."""
    outcomes = set()
    for number in range(1, 40):
        folder = CheckpointFolder(tmp_path / str(number), keep)
        for epochs in range(1, 5):
            folder.write(saved(epochs), {"epoch": epochs})
        failing = Failing(number, code)
        with monkeypatch.context() as patch:
            failing.patched(patch)
            try:
                folder.write(saved(5), {"epoch": 5})
                error = None
            except OSError as caught:
                error = caught
        newest = folder.newest().epochs_trained
        assert newest in (4, 5)
        if failing.name is None:  # there are no more calls
            assert error is None and newest == 5
            break
        outcomes.add((failing.name, type(error).__name__, newest))
        if error is not None:
            assert error.errno == code
            assert newest == 5 if isinstance(error, NotTidied) else newest in (4, 5)
        folder.write(saved(6), {"epoch": 6})
        assert folder.newest().epochs_trained == 6
        assert len(folder.files()) == keep
        assert [name for name in names(folder) if name.endswith(atomic.SUFFIX)] == []
    else:
        raise AssertionError("a save makes fewer calls")
    assert {name for name, *_ in outcomes} >= {"open", "fsync", "replace", "unlink", "fdopen"}
    assert {newest for *_, newest in outcomes} == {4, 5}


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="this system syncs no folders")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_file_system_that_syncs_no_folders(tmp_path, monkeypatch, code):
    """It is no failure: the checkpoints before are removed as ever, and the disk does not fill."""
    fsync, refused = os.fsync, []

    def files_alone(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            refused.append(handle)
            raise OSError(code, os.strerror(code))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", files_alone)
    folder = CheckpointFolder(tmp_path / "runs" / "run", 2)
    for epochs in range(1, 6):
        folder.write(saved(epochs), {"epoch": epochs})
    assert refused
    assert [path.name for path in folder.files()] == [f"checkpoint-00000{n}.safetensors" for n in (4, 5)]


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="this system syncs no folders")
def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    """A file can be put into it all the same."""
    opened = os.open

    def refused(path, flags, *mode):
        if flags & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refused)
    atomic.write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_what_failed_first_is_the_error(tmp_path, monkeypatch):
    """Not that what was written can't be removed either."""

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    def read_only(*arguments, **more):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(os, "unlink", read_only)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_atomically(tmp_path / "file", b"content")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL])
def test_two_runs_where_there_are_no_locks(tmp_path, monkeypatch, code):
    """The one that comes second to its next checkpoint is told; neither loses what it has written."""

    def refused(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refused)
    first, second = (CheckpointFolder(tmp_path / "run", 2) for _ in range(2))
    with first.locked():
        first.write(saved(1), {})
        with second.locked():
            first.write(saved(2), {})
            for _ in range(2):
                with pytest.raises(
                    gn.FolderInUse, match=r"another run has written checkpoint-000002\.safetens"
                ):
                    second.write(saved(77), {})
            first.write(saved(3), {})
    assert [first.newest().epochs_trained, len(first.files())] == [3, 2]


def test_a_folder_that_was_removed_and_made_by_another_run(tmp_path):
    """The lock of the removed folder says nothing any more, and the other run's checkpoints stay."""
    first = CheckpointFolder(tmp_path / "run", 1)
    with first.locked():
        first.write(saved(1), {})
        first.write(saved(2), {})
        for path in first.path.iterdir():
            path.unlink()
        first.path.rmdir()
        with pytest.raises(FileNotFoundError):
            first.write(saved(3), {})
        second = CheckpointFolder(tmp_path / "run", 1)
        with second.locked():
            second.write(saved(50), {})
            with pytest.raises(gn.FolderInUse, match="another run has written"):
                first.write(saved(3), {})
            assert second.newest().epochs_trained == 50
            second.write(saved(51), {})
            assert second.newest().epochs_trained == 51


def test_checkpoints_that_somebody_removed(tmp_path):
    """That is his right, and the run goes on writing them."""
    folder = CheckpointFolder(tmp_path / "run", 2)
    with folder.locked():
        for epochs in (1, 2, 3):
            folder.write(saved(epochs), {})
            for path in folder.files():
                path.unlink()
        folder.write(saved(4), {})
    assert folder.newest().epochs_trained == 4


@pytest.mark.parametrize("error", [BlockingIOError, PermissionError])
def test_a_lock_that_another_process_has(tmp_path, monkeypatch, error):
    """Over a network, one of two answers."""

    def taken(*arguments):
        raise error

    monkeypatch.setattr(fcntl, "flock", taken)
    with pytest.raises(gn.FolderInUse), CheckpointFolder(tmp_path / "run", 2).locked():
        pass


def test_a_file_system_that_refuses_every_lock(tmp_path, monkeypatch):
    """A save ends, with one file."""

    def taken(*arguments):
        raise BlockingIOError

    monkeypatch.setattr(fcntl, "flock", taken)
    atomic.write_atomically(tmp_path / "file", b"content")
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_system_that_counts_no_links(tmp_path, monkeypatch):
    fstat = os.fstat
    monkeypatch.setattr(
        os, "fstat", lambda handle: os.stat_result((*fstat(handle)[:3], 0, *fstat(handle)[4:]))
    )
    opened, made = os.open, []
    monkeypatch.setattr(os, "open", lambda path, *more: made.append(path) or opened(path, *more))
    atomic.write_atomically(tmp_path / "file", b"content")
    assert os.listdir(tmp_path) == ["file"]
    assert len([path for path in made if os.fspath(path).endswith(atomic.SUFFIX)]) == 1


def test_a_file_system_where_all_files_have_the_same_permissions(tmp_path, monkeypatch):
    """Those of a new file are right already, and changing them is refused."""

    def refused(*arguments):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    monkeypatch.setattr(os, "fchmod", refused)
    atomic.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_newest_is_known_by_its_number(tmp_path):
    """Not by its time, which goes back with the clock, nor by its name as text."""
    folder = CheckpointFolder(tmp_path / "run", 2)
    folder.write(saved(1), {})
    folder.files()[0].rename(folder.path / "checkpoint-999999.safetensors")
    folder = CheckpointFolder(tmp_path / "run", 2)
    for k, epochs in enumerate((2, 3)):
        folder.write(saved(epochs), {})
        os.utime(folder.files()[-1], (1000.0 - k, 1000.0 - k))
        assert folder.newest().epochs_trained == epochs
    assert [path.name for path in folder.files()] == [f"checkpoint-100000{n}.safetensors" for n in (0, 1)]


def test_checkpoints_that_cannot_be_read_stay(tmp_path):
    """A run that began afresh would remove them."""
    relu2 = gn.Activation("relu2", lambda xp, Z: Z * Z, lambda xp, dA, Z, A: 2 * Z * dA)
    folder = CheckpointFolder(tmp_path / "run", 2)
    assert folder.newest() is None
    for epochs in (1, 2):
        folder.write(saved(epochs, relu2), {})
    before = names(folder)
    with pytest.raises(
        gn.FileRefused,
        match=r"no checkpoint in .*run can be read.* 2\. .*restart=True.*The newest: .*'relu2'",
    ):
        folder.newest()
    assert names(folder) == before
    assert folder.newest([relu2]).epochs_trained == 2
    folder.write(saved(3), {})
    folder.files()[-1].write_bytes(b"")
    with pytest.warns(gn.CheckpointDamaged, match="000003"):
        newest = folder.newest([relu2])
    assert newest.epochs_trained == 2


HOLDING = """
import sys
from pathlib import Path
from gpunet.files.checkpoint_folder import CheckpointFolder
with CheckpointFolder(Path(sys.argv[1]), 2).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_another_process_has_the_lock_until_it_ends(tmp_path):
    """In any way."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
    command = [sys.executable, "-c", HOLDING, str(tmp_path / "run")]
    child = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout.readline() == "locked\n"
        folder = CheckpointFolder(tmp_path / "run", 2)
        with pytest.raises(gn.FolderInUse, match="another run writes its checkpoints to"), folder.locked():
            pass
        child.kill()
    with folder.locked():
        folder.write(saved(1), {})


@pytest.mark.parametrize("keep", range(1, 8))
def test_so_many_of_the_newest_stay(tmp_path, keep):
    """No fewer, too: with more to keep than there are, none is removed."""
    folder = CheckpointFolder(tmp_path / "run", keep)
    for written in range(1, 11):
        folder.write(saved(written), {})
        kept = [int(path.stem.rpartition("-")[2]) for path in folder.files()]
        assert kept == list(range(max(written - keep, 0) + 1, written + 1))
        assert folder.known == {path.name for path in folder.files()}


def test_the_lock_is_given_back(tmp_path):
    """Whoever may write to the folder may take it next."""
    folder = CheckpointFolder(tmp_path / "run", 2)
    before = os.umask(0)
    try:
        with folder.locked():
            assert (folder.path / "lock").stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)
    with pytest.raises(KeyError), folder.locked():
        raise KeyError
    with folder.locked():
        folder.write(saved(1), {})


def test_the_manifest_is_for_people(tmp_path):
    folder = CheckpointFolder(tmp_path / "run", 2)
    for epochs in (1, 2):
        folder.write(saved(epochs), {"epoch": epochs})
    text = (folder.path / "manifest.json").read_text()
    assert json.loads(text) == {"newest": "checkpoint-000002.safetensors", "epoch": 2}
    assert text.splitlines()[1] == ' "newest": "checkpoint-000002.safetensors",'


def test_an_old_checkpoint_that_can_not_be_removed(tmp_path, monkeypatch):
    """The new one is there, and the error says so."""
    folder = CheckpointFolder(tmp_path / "run", 1)
    folder.write(saved(1), {})

    def refused(*arguments, **more):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", refused)
    with pytest.raises(
        NotTidied, match=r"checkpoint-000002\.safetensors is there, but: .*not permitted"
    ) as caught:
        folder.write(saved(2), {})
    assert caught.value.errno == errno.EPERM
    assert folder.newest().epochs_trained == 2 and len(folder.files()) == 2
