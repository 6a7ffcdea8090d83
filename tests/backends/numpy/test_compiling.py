"""Compiling in another process while plain NumPy trains: which children are started, and their lock."""

import errno
import os
import subprocess
import sys
import time
import warnings

import pytest

from compile_children import Child, children
from gpunet_numpy import compiling, select
from gpunet_numpy.compiling import COMPILING, NO_LOCK, locked, unready_reason
from random_plans import DESCENTS, plan_of


class Compiled:
    """A class that has not been compiled, and its kernel."""

    class kernel:
        """Not in memory."""

        is_ready = staticmethod(lambda dtype: False)


@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("wait", "wait"),
        ("never", "never"),
        ("background", "background"),
        ("", "background"),
        (None, "background"),
    ],
)
def test_values_of_the_variable(monkeypatch, value, means):
    monkeypatch.delenv("GPUNET_COMPILE")
    if value is not None:
        monkeypatch.setenv("GPUNET_COMPILE", value)
    assert compiling.setting() == means


def test_an_unknown_value(monkeypatch):
    monkeypatch.setenv("GPUNET_COMPILE", "later")
    with pytest.raises(
        ValueError, match="GPUNET_COMPILE is 'later'; expected 'wait', 'never' or 'background'"
    ):
        select.program_for(plan_of("softmax", DESCENTS["plain"], 5))


def test_one_child_for_a_class_and_a_dtype(with_numba, started):
    for dtype in ("float32", "float64", "float32"):
        assert unready_reason(Compiled, dtype) == COMPILING
    assert started == [(f"{__name__}:Compiled", "float32"), (f"{__name__}:Compiled", "float64")]
    children()[0].status = 0
    assert unready_reason(Compiled, "float32") is None
    assert unready_reason(Compiled, "float64") == COMPILING


@pytest.mark.parametrize(("status", "words"), [(1, "exit status 1"), (-9, "exit status -9")])
def test_a_child_that_fails_is_not_started_again(with_numba, started, status, words):
    started.make = lambda: Child(status)
    assert f"failed ({words}); GPUNET" in unready_reason(Compiled, "float32")
    children()[0].line = "OSError: no room"
    assert f"failed ({words}: OSError: no room); GPUNET" in unready_reason(Compiled, "float32")
    for _ in range(2):
        assert words in unready_reason(Compiled, "float32")
        assert "GPUNET_COMPILE=wait" in unready_reason(Compiled, "float32")
    assert len(started) == 1


def test_a_child_that_cannot_be_started(with_numba, started, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("GPUNET_COMPILE", "background")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "No such file" in compiling.start("a:b", "float32")
    monkeypatch.setattr(compiling, "_children", {(Compiled, "float32"): "No such file"})
    assert "failed (No such file)" in unready_reason(Compiled, "float32")


def test_with_wait_nothing_is_started(started, monkeypatch):
    monkeypatch.setenv("GPUNET_COMPILE", "wait")
    assert unready_reason(Compiled, "float32") is None
    assert not started


def test_what_is_on_disk_starts_nothing(with_numba, started, monkeypatch):
    monkeypatch.setattr("gpunet_numpy.compiled.cache.is_on_disk", lambda kernel, dtype: True)
    assert unready_reason(Compiled, "float32") is None
    assert not started


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "C:/apps/my_app.exe"])
def test_an_application_that_contains_python_is_not_started_again(started, monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    assert unready_reason(Compiled, "float32") is None
    monkeypatch.undo()
    assert compiling.can_start_python()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert not compiling.can_start_python()


def test_a_process_that_nobody_waits_for():
    """In a session of its own, where Ctrl-C in a terminal does not reach it; its end leaves no zombie."""
    script = (
        "import os; print('unseen', flush=True); raise SystemExit(7 if os.getsid(0) == os.getpid() else 1)"
    )
    child = compiling.Detached([sys.executable, "-c", script], dict(os.environ), ())
    deadline = time.monotonic() + 60
    while child.returncode is None and time.monotonic() < deadline:  # nobody asks for it
        time.sleep(0.01)
    assert child.returncode == 7
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sleeping = compiling.Detached([sys.executable, "-c", "input()"], dict(os.environ), ())
        pid = sleeping.pid
        sleeping.__del__()
    assert sleeping.wait() == 1  # there is no standard input
    assert pid not in [popen.pid for popen in subprocess._active]


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("raise ValueError('no such type')", "ValueError: no such type"),
        ("import sys; sys.stderr.write('x' * 9000 + '\\nlast\\n \\n'); sys.exit(1)", "last"),
        ("import sys; sys.stderr.buffer.write(b'na\\xefve'); sys.exit(1)", "na�ve"),
        ("print('nothing on standard error')", ""),
    ],
)
def test_the_last_line_of_a_process_that_has_ended(script, line):
    child = compiling.Detached([sys.executable, "-c", script], dict(os.environ), ())
    assert child.last_line() == line
    assert child.poll() == (0 if not line else 1)


def test_where_there_is_no_room_for_what_a_process_writes(monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compiling.tempfile, "TemporaryFile", full)
    child = compiling.Detached([sys.executable, "-c", "raise SystemExit('unseen')"], dict(os.environ), ())
    assert child.last_line() == "" and child.wait() == 1


def test_another_process_compiles(with_numba, started, monkeypatch, tmp_path):
    """It is waited for, whatever it compiles; what it did not leave on disk is compiled then."""
    pytest.importorskip("fcntl")
    lock = locked(str(tmp_path / "compiling.lock"))
    assert [unready_reason(Compiled, dtype) for dtype in ("float32", "float64")] == [COMPILING] * 2
    assert not started and not children()
    os.close(lock)
    assert unready_reason(Compiled, "float64") == COMPILING
    assert started == [(f"{__name__}:Compiled", "float64")]
    os.close(locked(str(tmp_path / "compiling.lock")))  # it was the child's to hold
    answers = iter([False, True])
    monkeypatch.setattr("gpunet_numpy.compiled.cache.is_on_disk", lambda kernel, dtype: next(answers))
    assert unready_reason(Compiled, "float32") is None  # it finished between two looks
    assert len(started) == 1
    os.close(locked(str(tmp_path / "compiling.lock")))


def test_the_lock_is_held_by_the_child(tmp_path):
    pytest.importorskip("fcntl")
    path = str(tmp_path / "lock")
    lock = locked(path)
    child = compiling.Detached(
        [sys.executable, "-c", f"import os; os.read({lock}, 1); import time; time.sleep(600)"],
        dict(os.environ),
        (lock,),
    )
    os.close(lock)
    with pytest.raises(BlockingIOError):
        locked(path)
    child.kill()
    child.wait()
    os.close(locked(path))


def test_where_there_are_no_locks(monkeypatch, tmp_path):
    """No reason not to compile."""
    assert locked(str(tmp_path / "no folder" / "lock")) == NO_LOCK
    fcntl = pytest.importorskip("fcntl")

    def refuse(lock, how):
        raise OSError(errno.ENOLCK, "No locks available")

    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert locked(str(tmp_path / "lock")) == NO_LOCK
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert locked(str(tmp_path / "lock")) == NO_LOCK
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_the_children_are_another_process_s(monkeypatch):
    monkeypatch.setattr(compiling, "_children", {(Compiled, "float32"): Child()})
    old = compiling._starting
    compiling._after_fork()
    assert compiling._children == {}
    assert compiling._starting is not old
