"""When numba compiles: before a program is first used, in another process meanwhile, or never.

Compiling a program takes numba some seconds, once per machine: then it lies in numba's cache on disk. So that a first
run is no slower than plain NumPy, a child process (:mod:`gpunet_numpy.compiled.ahead`) compiles into that cache while
plain NumPy trains. The environment variable ``GPUNET_COMPILE`` chooses.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

VARIABLE = "GPUNET_COMPILE"
SETTINGS = BACKGROUND, WAIT, NEVER = "background", "wait", "never"
COMPILING = f"compiled programs: plain NumPy runs while numba compiles one in another process ({VARIABLE})"
# The child compiles on one thread; its few products are no reason to start others.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

_children: dict[
    tuple[type, str], Any
] = {}  # what compiles a class for a dtype: a process, or why there is none
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


def setting() -> str:
    """One of `SETTINGS`: that of :func:`chosen`, else of ``GPUNET_COMPILE``; "background" unless either is set."""
    value = _chosen.get() or os.environ.get(VARIABLE) or BACKGROUND
    if value not in SETTINGS:
        raise ValueError(f"{VARIABLE} is {value!r}; expected 'wait', 'never' or 'background'")
    return value


def unready_reason(compiled: Any, dtype: str) -> str | None:
    """Why a class of :mod:`gpunet_numpy.compiled` is not to be used for now; None if it is.

    Where its kernel has not been compiled on this machine, the first call starts that, in a child process.

    Parameters
    ----------
    compiled : class
        A program or the predictor; its `kernel` is what numba compiles.
    dtype : str
        Of the parameters.
    """
    if setting() == WAIT or not can_start_python():
        return None
    from gpunet_numpy.compiled.cache import is_on_disk

    with _starting:
        if (compiled, dtype) not in _children:
            if is_on_disk(compiled.kernel, dtype):
                return None
            _children[compiled, dtype] = start(f"{compiled.__module__}:{compiled.__qualname__}", dtype)
        child = _children[compiled, dtype]
    failed = child if isinstance(child, str) else child.poll()
    if failed is None:
        return COMPILING
    if failed == 0:
        return None
    why = failed if isinstance(failed, str) else f"exit status {failed}"
    return f"compiled programs: compiling in another process failed ({why}); {VARIABLE}={WAIT} does it in this one"


def can_start_python() -> bool:
    """Whether ``sys.executable`` is Python's: an application that contains Python would start itself again."""
    name = Path(sys.executable or "").name.lower()
    return name.startswith("python") and not getattr(sys, "frozen", False)


def start(name: str, dtype: str) -> Any:
    """The process that compiles the class `name` (``module:class``), or why it could not be started.

    It imports what this process would (``-P``: nothing from the folder it is started in), but not its main module.
    """
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    settings = {"PYTHONPATH": paths, **dict.fromkeys(ONE_THREAD, "1")}
    windows = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0) | getattr(
        subprocess, "CREATE_NO_WINDOW", 0
    )
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gpunet_numpy.compiled.ahead", name, dtype],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | settings,
            process_group=0,  # Ctrl-C ends the run, not this
            creationflags=windows,
        )
    except OSError as error:
        return str(error)


def end_children() -> None:
    """End the processes that still compile."""
    for child in _children.values():
        if not isinstance(child, str) and child.poll() is None:
            child.kill()
            child.wait()


atexit.register(end_children)


def _after_fork() -> None:
    """Another thread may have held the lock. The parent's children are not this process's: `poll` says 0 of them."""
    global _starting
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
