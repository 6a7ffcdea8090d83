"""When numba compiles: before a program is first used, in another process meanwhile, or never.

Compiling a program takes numba some seconds, once per machine: then its code is on disk. So that a first run is no
slower than plain NumPy, a child process (:mod:`gpunet_numpy.compiled.ahead`) compiles into that cache while
plain NumPy trains. It goes on if the run ends before, for the next one. One process compiles at a time: others look now
and then whether it has finished. The environment variable ``GPUNET_COMPILE`` chooses.
"""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

VARIABLE = "GPUNET_COMPILE"
SETTINGS = BACKGROUND, WAIT, NEVER = "background", "wait", "never"
COMPILING = f"compiled programs: plain NumPy runs while numba compiles one in another process ({VARIABLE})"
# The child compiles on one thread; its few products are no reason to start others.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
LAST_BYTES = 4096  # of what a child has written, which hold its last line
NO_LOCK = -1  # in the place of a file descriptor

# What compiles a class for a dtype: a process of this one's own, or why there is none
_children: dict[tuple[type, str], Any] = {}
_starting = threading.Lock()
_chosen: ContextVar[str | None] = ContextVar("compile", default=None)


@contextmanager
def chosen(value: str | None) -> Iterator[None]:
    """One of `SETTINGS` in the place of the environment's, inside; None changes nothing."""
    token = _chosen.set(value or _chosen.get())
    try:
        yield
    finally:
        _chosen.reset(token)


class Detached(subprocess.Popen[bytes]):
    """A process that may outlive this one: in a session of its own, with none of its files.

    No signal from the terminal reaches it, and nobody who reads this process's output waits for it. A thread waits for
    its end, so that no zombie is left, and keeps the last line of what it has written to standard error.

    Its priority is this process's. Where Linux's scheduler groups processes by session (``sched_autogroup``), niceness
    counts within a session alone, and measurements showed no difference; elsewhere a busy machine would starve it.
    """

    def __init__(self, command: list[str], environment: dict[str, str], keep_open: tuple[int, ...]) -> None:
        windows = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(
            subprocess, "CREATE_NO_WINDOW", 0
        )
        written = _file_without_name()
        try:
            super().__init__(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if written is None else written,
                env=environment,
                pass_fds=keep_open,
                start_new_session=True,
                creationflags=windows,
            )
        except BaseException:
            if written is not None:
                written.close()
            raise
        self._last_line = ""
        # The thread alone knows the file: it is closed there, or with this process.
        self._end = threading.Thread(target=self._wait_for_end, args=(written,), daemon=True)
        self._end.start()

    def _wait_for_end(self, written: IO[bytes] | None) -> None:
        self.wait()
        if written is None:
            return
        with written:
            written.seek(max(written.seek(0, os.SEEK_END) - LAST_BYTES, 0))
            lines = written.read().decode(errors="replace").split("\n")
        self._last_line = next((line.strip() for line in reversed(lines) if line.strip()), "")

    def last_line(self) -> str:
        """The last line that it has written to standard error, once it has ended; "" without any."""
        self._end.join()
        return self._last_line

    def __del__(self) -> None:
        """Nothing: the original warns of a process that still runs."""


def _file_without_name() -> IO[bytes] | None:
    """A temporary file that is gone when all who have it open have ended; None where there is no room for one."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return None


def setting() -> str:
    """One of `SETTINGS`: that of :func:`chosen`, else of ``GPUNET_COMPILE``; "background" unless either is set."""
    value = _chosen.get() or os.environ.get(VARIABLE) or BACKGROUND
    if value not in SETTINGS:
        raise ValueError(f"{VARIABLE} is {value!r}; expected 'wait', 'never' or 'background'")
    return value


def unready_reason(compiled: Any, dtype: str, start_compiling: bool = True) -> str | None:
    """Why a class of :mod:`gpunet_numpy.compiled` is not to be used for now; None if it is.

    Where its kernel has not been compiled on this machine, the first call starts that, in a child process, unless
    another process compiles something just now.

    Parameters
    ----------
    compiled : class
        A program or the predictor; its `kernel` is what numba compiles.
    dtype : str
        Of the parameters.
    start_compiling : bool
        False only looks.
    """
    if compiled.kernel.is_ready(dtype):
        return None
    from gpunet_numpy.compiled.cache import is_on_disk, shared_folder

    if setting() == WAIT or not can_start_python():
        return None if is_on_disk(compiled.kernel, dtype) else compiler_error()
    with _starting:
        if (compiled, dtype) not in _children:
            if is_on_disk(compiled.kernel, dtype):
                return None
            if not start_compiling:
                return COMPILING
            try:
                lock = locked(os.path.join(shared_folder(), "compiling.lock"))
            except BlockingIOError:
                return COMPILING
            try:
                if is_on_disk(compiled.kernel, dtype):  # by now
                    return None
                _children[compiled, dtype] = start(
                    f"{compiled.__module__}:{compiled.__qualname__}", dtype, lock
                )
            finally:
                if lock != NO_LOCK:
                    os.close(lock)  # the child holds it
        child = _children[compiled, dtype]
    failed = child if isinstance(child, str) else child.poll()
    if failed is None:
        return COMPILING
    if failed == 0:
        return None
    why = (
        failed
        if isinstance(failed, str)
        else ": ".join(filter(None, (f"exit status {failed}", child.last_line())))
    )
    return f"compiled programs: compiling in another process failed ({why}); {VARIABLE}={WAIT} does it in this one"


@functools.cache
def compiler_error() -> str | None:
    """Why nothing can be compiled in this process; None if it can. Code on disk does without numba."""
    try:
        importlib.import_module("gpunet_numpy.compiled.compiler")
    except (
        ImportError,
        OSError,
    ) as error:  # one that does not fit this NumPy, or whose library can't be loaded
        return f"compiled programs: numba does not work here ({error})"
    return None


def can_start_python() -> bool:
    """Whether ``sys.executable`` is Python's: an application that contains Python would start itself again."""
    name = Path(sys.executable or "").name.lower()
    return name.startswith("python") and not getattr(sys, "frozen", False)


def locked(path: str) -> int:
    """A file descriptor that holds the lock of a file until it, and every copy of it, has been closed.

    `NO_LOCK` where the system has no such locks, or the file can't be opened.

    Raises
    ------
    BlockingIOError
        If another process holds the lock.
    """
    try:
        import fcntl

        lock = os.open(path, os.O_CREAT | os.O_RDWR)
    except (ImportError, OSError):
        return NO_LOCK
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    except OSError:  # a file system without locks
        os.close(lock)
        return NO_LOCK
    return lock


def start(name: str, dtype: str, lock: int = NO_LOCK) -> Any:
    """The process that compiles the class `name` (``module:class``), or why it could not be started.

    It imports what this process would (``-P``: nothing from the folder it is started in), but not its main module.

    Parameters
    ----------
    name, dtype : str
    lock : int
        A file descriptor that the process keeps open.
    """
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    settings = {"PYTHONPATH": paths, **dict.fromkeys(ONE_THREAD, "1")}
    command = [sys.executable, "-P", "-m", "gpunet_numpy.compiled.ahead", name, dtype]
    try:
        return Detached(command, {**os.environ, **settings}, () if lock == NO_LOCK else (lock,))
    except OSError as error:
        return str(error)


def _after_fork() -> None:
    """Another thread may have held the lock. The parent's children are not this process's."""
    global _starting
    _starting = threading.Lock()
    _children.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
