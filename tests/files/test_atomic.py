"""Writing files: what reaches the disk, and in which order."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gpunet.files.atomic import real_path, require_folder, write_atomically

CONTENT = b"x" * 100_000


@pytest.fixture
def events(monkeypatch):
    """The calls that make a write last, in order, each with what it was about."""
    seen = []
    fsync, replace = os.fsync, os.replace

    def spied_fsync(descriptor):
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            seen.append(("fsync folder", about.st_ino))
        else:
            seen.append(("fsync file", about.st_size))
        fsync(descriptor)

    def spied_replace(source, target):
        seen.append(("replace", Path(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spied_fsync)
    monkeypatch.setattr(os, "replace", spied_replace)
    return seen


def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_file_then_name_then_folder_reach_the_disk(events, tmp_path):
    """All of the content before the rename, and the rename itself: a crash leaves the old file or the new one."""
    path, before = tmp_path / "file", descriptors()
    write_atomically(path, CONTENT)
    folder = [("fsync folder", tmp_path.stat().st_ino)] if hasattr(os, "O_DIRECTORY") else []
    assert events == [("fsync file", len(CONTENT)), ("replace", path), *folder]
    assert path.read_bytes() == CONTENT
    assert descriptors() == before


def test_systems_without_folder_descriptors(events, monkeypatch, tmp_path):
    monkeypatch.delattr(os, "O_DIRECTORY", raising=False)
    write_atomically(tmp_path / "file", CONTENT)
    assert [event[0] for event in events] == ["fsync file", "replace"]


def test_the_folders_descriptor_is_closed_when_its_fsync_fails(monkeypatch, tmp_path):
    fsync, before = os.fsync, descriptors()

    def failing(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError("input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="input/output"):
        write_atomically(tmp_path / "file", CONTENT)
    assert descriptors() == before
    assert os.listdir(tmp_path) == ["file"]


def test_the_temporary_file_lies_beside_the_file_and_is_hidden(monkeypatch, tmp_path):
    """On the same file system, so that it can be renamed; out of sight of ``ls``."""
    seen, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: seen.append(Path(a)) or replace(a, b))
    write_atomically(tmp_path / ("n" * 200), CONTENT)
    (temporary,) = seen
    assert temporary.parent == tmp_path
    assert temporary.name.startswith("." + "n" * 40 + ".")
    assert len(temporary.name) < 60
    assert not temporary.exists()


def test_folders(tmp_path):
    require_folder(tmp_path / "file")
    with pytest.raises(IsADirectoryError, match="add a file name"):
        require_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="make it first"):
        require_folder(tmp_path / "missing" / "file")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert real_path(str(tmp_path / "link")) == (tmp_path / "target").resolve()
    with pytest.raises(FileNotFoundError, match="make it first"):
        real_path(tmp_path / "missing" / "file")


def test_content_shorter_than_the_buffer_is_flushed_before_fsync(events, tmp_path):
    """fsync writes what the system has: Python's own buffer must be empty by then."""
    write_atomically(tmp_path / "file", b"short")
    assert ("fsync file", 5) in events


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """``umask(mask)``, undone afterwards."""
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o000])
def test_a_new_file_has_the_permissions_of_any_new_file(mask, umask, tmp_path, monkeypatch):
    """The system takes the umask off: while this process changed it, other threads' files would go without."""
    umask(mask)
    (tmp_path / "another").touch()
    monkeypatch.setattr(os, "umask", None)
    write_atomically(tmp_path / "file", CONTENT)
    monkeypatch.undo()
    assert mode(tmp_path / "file") == mode(tmp_path / "another") == 0o666 & ~mask


@pytest.mark.parametrize("old", [0o600, 0o640, 0o644, 0o755, 0o400, 0o4755, 0o6711])
def test_a_replaced_file_keeps_its_permissions(old, tmp_path, monkeypatch):
    """But for set-user-ID, which writing takes off. Nobody may read the new content who may not read the old one."""
    path, while_written, fsync = tmp_path / "file", [], os.fsync
    path.write_bytes(b"old")
    path.chmod(old)
    monkeypatch.setattr(os, "fsync", lambda d: while_written.append(os.fstat(d)) or fsync(d))
    write_atomically(path, CONTENT)
    assert mode(path) == old & 0o777
    assert stat.S_IMODE(while_written[0].st_mode) == old & 0o777
    assert path.read_bytes() == CONTENT


def test_owner_and_group(tmp_path, monkeypatch):
    """They stay if they can; else what the group might do, all may do that belong to no group."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o674)
    given = []
    monkeypatch.setattr(os, "fchown", lambda handle, user, group: given.append((user, group)), raising=False)
    write_atomically(path, CONTENT)
    about = path.stat()
    assert given == [(about.st_uid, about.st_gid)]
    assert mode(path) == 0o674

    def refused(handle, user, group):
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refused)
    fstat = os.fstat
    monkeypatch.setattr(
        os, "fstat", lambda d: os.stat_result((*fstat(d)[:5], about.st_gid + 1, *fstat(d)[6:]))
    )
    write_atomically(path, CONTENT)
    assert mode(path) == 0o644


def test_a_link_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to(target)
    for content in (b"new", b"replaced"):
        write_atomically(link, content)
        assert link.is_symlink() and target.read_bytes() == content
    assert os.listdir(tmp_path / "folder") == ["target"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomically(real_path(pipe), CONTENT)
    reader.join(20)
    assert read == [CONTENT]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(not os.path.isdir("/dev/pts"), reason="this system has no such devices")
def test_a_device_is_written_to():
    """A terminal: no file can be put in the place of one, as root might do with /dev/null where the code is wrong."""
    master, slave = os.openpty()
    try:
        path = os.ttyname(slave)
        write_atomically(real_path(path), b"content")
        assert os.read(master, 100) == b"content"
        assert stat.S_ISCHR(os.stat(path).st_mode)
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="this system has no such file")
def test_standard_output_is_written_to():
    """A link to something without a path, if it is a pipe."""
    script = "from gpunet.files.atomic import *; write_atomically(real_path('/dev/stdout'), b'content')"
    settings = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, env=os.environ | settings
    )
    assert done.stdout == b"content"


KILLED = """
import os, signal, sys
from pathlib import Path
from gpunet.files.atomic import write_atomically
os.fsync = lambda descriptor: os.kill(os.getpid(), getattr(signal, sys.argv[2]))
write_atomically(Path(sys.argv[1]), b"x" * 100_000)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no such signals")
def test_what_a_killed_process_left_is_removed(tmp_path):
    """By the next that saves this file, which leaves alone what a process that still lives is writing."""
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"old")

    def start(name):
        settings = {"PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
        return subprocess.Popen([sys.executable, "-c", KILLED, str(path), name], env=os.environ | settings)

    assert start("SIGKILL").wait(60) == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == 2
    mine = [
        tmp_path / name
        for name in (".net.safetensors.gpunet", ".another.12345678.gpunet", ".net.safetensors.1")
    ]
    for one in mine:
        one.touch()
    living = start("SIGSTOP")
    os.waitpid(living.pid, os.WUNTRACED)
    assert len(os.listdir(tmp_path)) == 2 + len(mine)  # it has removed that one, and is writing its own
    try:
        write_atomically(path, CONTENT)
        assert len(os.listdir(tmp_path)) == 2 + len(mine)
    finally:
        living.kill()
        living.wait()
    write_atomically(path, CONTENT)
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, *(one.name for one in mine)])


def test_two_that_save_at_once(tmp_path):
    """Neither removes what the other writes: each save succeeds, and one of them is there in the end."""
    path, errors = tmp_path / "file", []

    def save(content):
        try:
            for _ in range(40):
                write_atomically(path, content)
        except OSError as error:
            errors.append(error)

    savers = [threading.Thread(target=save, args=(bytes([i]) * 5000,)) for i in range(4)]
    for saver in savers:
        saver.start()
    for saver in savers:
        saver.join()
    assert not errors
    content = path.read_bytes()
    assert len(content) == 5000 and len(set(content)) == 1
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(call, monkeypatch, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "write":
        opened = os.fdopen

        def failing(*arguments):
            file = opened(*arguments, buffering=0)
            return type(
                "File", (), {"write": full, "__enter__": lambda s: s, "__exit__": lambda s, *e: file.close()}
            )()

        monkeypatch.setattr(os, "fdopen", failing)
    else:
        monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, CONTENT)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list open files")
@pytest.mark.parametrize("how", ["locked", "removed"])
def test_another_process_is_first_at_the_new_file(tmp_path, monkeypatch, how):
    """It takes it for one that was left: another new file is made, and nothing stays open."""
    fcntl = pytest.importorskip("fcntl")
    flock, tried, before = fcntl.flock, [], descriptors()

    def first_at(handle, operation):
        tried.append(os.readlink(f"/proc/self/fd/{handle}"))
        if len(tried) > 1:
            return flock(handle, operation)
        if how == "locked":
            raise BlockingIOError
        os.unlink(tried[0])

    monkeypatch.setattr(fcntl, "flock", first_at)
    write_atomically(tmp_path / "file", CONTENT)
    assert len(set(tried)) == len(tried) == 2
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == CONTENT
    assert descriptors() == before


def test_what_was_left_is_closed_again(tmp_path):
    """What another writes, too, which stays."""
    fcntl = pytest.importorskip("fcntl")
    left, others = (tmp_path / f".file.{digits}.gpunet" for digits in ("12345678", "87654321"))
    left.touch()
    with others.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = descriptors()
        write_atomically(tmp_path / "file", CONTENT)
        assert descriptors() == before
    assert sorted(os.listdir(tmp_path)) == [others.name, "file"]
