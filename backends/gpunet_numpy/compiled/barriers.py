"""How the threads of a kernel (:class:`gpunet_numpy.compiled.threads.Team`) share work out and wait for each other."""

from __future__ import annotations

from typing import Any

from gpunet_numpy.compiled.intrinsics import inner, load_flag, noinline, sched_yield, store_flag

STOPPED = 0  # no phase: the caller has been interrupted, or another thread has failed
SPINS = 2000  # reads of a flag before the thread yields the processor


@inner
def barrier(team: Any, phase: Any) -> Any:
    """Wait until all threads have come to this phase; returns the number of the next, or `STOPPED`: return at once.

    Flags only ever rise, so that a slow thread can't miss a phase.
    """
    noinline()
    store_flag(team.flags, team.thread, phase)
    for other in range(team.threads):
        spins = 0
        while load_flag(team.flags, other) < phase:
            if load_flag(team.flags, team.threads) != 0:
                return STOPPED
            spins += 1
            if spins > SPINS and team.sched_yield != 0:
                sched_yield(team.sched_yield)
    return phase + 1


@inner
def range_of(count: Any, thread: Any, threads: Any) -> Any:
    """The range ``[first, last)`` of `count` items that one thread takes."""
    return count * thread // threads, count * (thread + 1) // threads


@inner
def stopped(team: Any) -> Any:
    """Whether to return at once, for kernels that have no barriers."""
    return load_flag(team.flags, team.threads) != 0
