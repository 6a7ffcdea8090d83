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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gpunet.core.plan import Plan

# Per step and thread: some milliseconds of one core. Measured on two busy cores, 784-256-10 in float32: with 1.6e8 per
# step two threads took 5 times as long as one, with 6e8 1.5 times.
MULTIPLY_ADDS = 2e8


def threads_for(plan: Plan, examples: int) -> int:
    """BLAS threads that pay for steps of `plan` whose products take so many examples at a time.

    A step makes three products with each weight matrix: forward, for its gradient, and backward.
    """
    weights = sum(layer.inputs * layer.units for layer in plan.layers)
    return max(int(3 * weights * examples / MULTIPLY_ADDS), 1)


class _Limits:
    """The limits that are in force, one for each running program, and what BLAS had before them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted: list[int] = []
        self.before: list[tuple[Any, int]] = []  # libraries, and their threads

    def add(self, threads: int) -> None:
        with self.lock:
            limited = [library for library, _ in self.before] if self.wanted else []
            found = [
                (one, one.num_threads) for one in _libraries() if not any(one is known for known in limited)
            ]
            self.before = [*self.before, *found] if self.wanted else found
            self.wanted.append(threads)
            self.apply()

    def remove(self, threads: int) -> None:
        with self.lock:
            if threads in self.wanted:  # not in a process that was forked meanwhile
                self.wanted.remove(threads)
            self.apply()

    def apply(self) -> None:
        for library, before in self.before:
            library.set_num_threads(min([before, *self.wanted]))

    def most(self) -> int:
        """The fewest threads that any BLAS may use while no program limits it."""
        with self.lock:
            limited = [library for library, _ in self.before] if self.wanted else []
            counts = [before for _, before in self.before] if self.wanted else []
            counts += [one.num_threads for one in _libraries() if not any(one is known for known in limited)]
            return min(counts, default=sys.maxsize)

    def forget(self) -> None:
        """In a forked process, where the programs of the others do not run."""
        self.lock = threading.Lock()
        self.wanted = []
        self.apply()


_limits = _Limits()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_limits.forget)


_found: dict[str, Any] = {}  # the BLAS libraries of this process, by their files


def _libraries() -> list[Any]:
    """The BLAS libraries that were loaded when they were looked for."""
    if not _found:
        look_for_libraries()
    return list(_found.values())


def look_for_libraries() -> None:
    """Find the BLAS libraries that are loaded; to be called after another one has been."""
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        _found.setdefault(library.filepath, library)


def most_blas_threads() -> int:
    """As many threads as BLAS may use now, by the environment or ``threadpoolctl``; the programs' limits aside."""
    return _limits.most()


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Use at most so many BLAS threads inside."""
    _limits.add(threads)
    try:
        yield
    finally:
        _limits.remove(threads)
