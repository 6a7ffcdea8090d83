"""How many threads BLAS uses: in plain NumPy, as many as pay for products of a plan's size.

A matrix product that is short is slower on several threads, and on a busy machine far slower: the threads wait for one
another while each waits for a core. The rule is one thread for each `MULTIPLY_ADDS` multiply-adds of a step, at least
one, and no more than BLAS would use anyway: a limit that is already set, as by ``OPENBLAS_NUM_THREADS``, stays.

The number of threads belongs to the process, not to a Python thread. While several of those train, the smallest number
holds; after the last one BLAS has what it had before the first.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from gpunet.core.plan import Plan
from gpunet_numpy.processors import processors

# Per step and thread: some milliseconds of one core. Measured on two busy cores, 784-256-10 in float32: with 1.6e8 per
# step two threads took 5 times as long as one, with 6e8 1.5 times.
MULTIPLY_ADDS = 2e8
UNDIVIDED = 2**18  # multiply-adds: OpenBLAS does no smaller product on several threads

T = TypeVar("T")


def threads_for(plan: Plan, examples: int) -> int:
    """BLAS threads that pay for steps of `plan` whose products take so many examples at a time.

    A step makes three products with each weight matrix: forward, for its gradient, and backward.
    """
    return threads_for_work(3 * plan.weights * examples)


def threads_for_work(multiply_adds: int) -> int:
    """The same for products of so many multiply-adds."""
    return max(min(int(multiply_adds / MULTIPLY_ADDS), processors()), 1)


def set_threads(library: Any, threads: int) -> None:
    """Set the threads of a BLAS library, from any Python thread.

    Newer versions of threadpoolctl give OpenBLAS to the first thread that sets them, until that ends, and ignore what
    others set. All of them train here, one at a time sets, and nobody keeps it.
    """
    clear = getattr(library, "clear_controlling_thread", lambda force: None)
    clear(force=True)
    library.set_num_threads(threads)
    clear(force=True)


class _Limits:
    """The limits that are in force, one for each running program, and what BLAS had before them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.wanted: dict[object, int] = {}  # threads, by the call that wants them
        self.before: list[tuple[Any, int]] = []  # libraries, and their threads

    def add(self, call: object, threads: int) -> None:
        self._locked(self._change, call, threads)

    def remove(self, call: object) -> None:
        """Also where that has been done, or `add` was interrupted."""
        self._locked(self._change, call, None)

    def _locked(self, function: Callable[..., T], *arguments: Any) -> T:
        """Not `with`: a signal's exception may come after `acquire` has returned, and before the block is entered."""
        try:
            self.lock.acquire()
            result = function(*arguments)
        finally:
            try:  # noqa: SIM105  `suppress` could be interrupted before it releases
                self.lock.release()
            except RuntimeError:  # it had not been acquired
                pass
        return result

    def _change(self, call: object, threads: int | None) -> None:
        if threads is None:
            self.wanted.pop(call, None)
        else:
            self._find_before()
            self.wanted[call] = threads
        self._apply()

    def _find_before(self) -> None:
        """Look what BLAS has, if nothing limits it; of libraries that have been loaded since, in any case."""
        if not self.wanted:
            self.before = []
        known = [library for library, _ in self.before]
        found = [(one, one.num_threads) for one in _libraries() if not any(one is other for other in known)]
        self.before = [*self.before, *found]

    def _apply(self) -> None:
        most = min(self.wanted.values(), default=sys.maxsize)
        for library, before in self.before:
            if library.num_threads != min(before, most):  # setting them takes longer
                set_threads(library, min(before, most))
        if not self.wanted:
            self.before = []  # the user may change it from now on

    def most(self) -> int:
        """The fewest threads that any BLAS may use while no program limits it."""
        return self._locked(self._most)

    def _most(self) -> int:
        self._find_before()
        return min((before for _, before in self.before), default=sys.maxsize)

    def forget(self) -> None:
        """In a forked process, where the programs of other threads do not run."""
        self.lock = threading.RLock()
        self.wanted = {}
        self._apply()


_limits = _Limits()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_limits.forget)


_found: dict[str, Any] = {}  # the BLAS libraries of this process, by their files
_looked = False  # there may be none that threadpoolctl knows, as with Apple's Accelerate


def _libraries() -> list[Any]:
    """The BLAS libraries that were loaded when they were looked for."""
    if not _looked:
        look_for_libraries()
    return list(_found.values())


def look_for_libraries() -> None:
    """Find the BLAS libraries that are loaded, which takes milliseconds; to be called after another one has been."""
    from threadpoolctl import ThreadpoolController

    global _looked
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        _found.setdefault(library.filepath, library)
    _looked = True


def most_blas_threads() -> int:
    """As many threads as BLAS may use now, by the environment or ``threadpoolctl``; the programs' limits aside."""
    return _limits.most()


def with_blas_threads(threads: int, function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)`` while BLAS uses at most so many threads.

    A function and not a context manager: Ctrl-C raises between any two instructions, also on the way into a ``with``
    block and out of it, and BLAS would keep one thread for the rest of the process. Here all stands in one ``try``.
    """
    call = object()
    try:
        _limits.add(call, threads)
        result = function(*arguments)
        _limits.remove(call)
    except BaseException:
        try:
            _limits.remove(call)
        except BaseException:  # a second Ctrl-C
            _limits.remove(call)
            raise
        raise
    return result
