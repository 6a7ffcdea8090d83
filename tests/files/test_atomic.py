"""Writing files: what reaches the disk, and in which order."""

import os
import stat
from pathlib import Path

import pytest

from gpunet.files.atomic import real_path, require_folder, write_atomically

CONTENT = b"x" * 100_000


@pytest.fixture
def events(monkeypatch):
    """The calls that make a write last, in order, each with what it was about."""
    seen = []
    fsync, replace, chmod = os.fsync, os.replace, os.chmod

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
    monkeypatch.setattr(os, "chmod", lambda *a: seen.append(("chmod", a[1])) or chmod(*a))
    return seen


def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_file_then_name_then_folder_reach_the_disk(events, tmp_path):
    """All of the content before the rename, and the rename itself: a crash leaves the old file or the new one."""
    path, before = tmp_path / "file", descriptors()
    write_atomically(path, CONTENT)
    folder = [("fsync folder", tmp_path.stat().st_ino)] if hasattr(os, "O_DIRECTORY") else []
    assert [event for event in events if event[0] != "chmod"] == [
        ("fsync file", len(CONTENT)),
        ("replace", path),
        *folder,
    ]
    assert [event[0] for event in events].index("chmod") < [event[0] for event in events].index("replace")
    assert path.read_bytes() == CONTENT
    assert descriptors() == before


def test_systems_without_folder_descriptors(events, monkeypatch, tmp_path):
    monkeypatch.delattr(os, "O_DIRECTORY", raising=False)
    write_atomically(tmp_path / "file", CONTENT)
    assert [event[0] for event in events] == ["fsync file", "chmod", "replace"]


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
