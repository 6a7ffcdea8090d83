"""Threads that run kernels, and what becomes of a kernel whose caller is interrupted.

The threads of a kernel write to arrays of its caller, so no exception may leave the call while one of them works.
Ctrl-C raises `KeyboardInterrupt` in the main thread, between any two of its instructions. Therefore the main thread
only hands a job over and waits. All else is done by threads of this pool, where Python runs no signal handlers: its
*leader* takes one job after the other, since each has all cores, and works on it together with the other threads, the
*workers*. BLAS calls stay on the thread that makes them.

They are daemons of this module, not of `concurrent.futures`, whose threads take nothing more once the main thread has
ended, even if another thread still trains.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from gpunet_numpy.blas_threads import with_blas_threads

REFUSED = (
    "no more threads can be started for compiled programs ({}); a limit of the system or of the container is reached: "
    "set OMP_NUM_THREADS to fewer threads, or GPUNET_COMPILE=never"
)
LOOK_SECONDS = 0.05  # from one look for signals to the next
ENDING = "the interpreter is shutting down"


class Job:
    """Functions that are called at once, each on a thread of its own.

    Parameters
    ----------
    shares : sequence of callables
    stop : callable
        Called when a share has raised, or the caller gives up: makes those that run return soon.
    """

    def __init__(self, shares: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
        self.shares = shares
        self.stop = stop
        self.errors: list[BaseException] = []
        self.owner: dict[str, str] = {}
        self.done = False
        self.ended = threading.Lock()
        self.ended.acquire()

    def take(self, by: str) -> bool:
        """Whether the job is the leader's to do, or its caller's to withdraw: of the one that asked first.

        It may ask again, after an interrupt: `setdefault` is one step to Python.
        """
        return self.owner.setdefault("owner", by) == by

    def wait(self) -> None:
        """Return when the leader has finished with the job."""
        while not self.done:
            # A signal that comes between Python's last look for one and the system's wait wakes nobody.
            self.ended.acquire(timeout=LOOK_SECONDS)

    def give_up(self) -> None:
        """Return when no thread works on the job any more, or ever will, whatever is raised meanwhile."""
        while True:
            try:
                self.stop()
                if not self.take("caller"):
                    self.wait()
                return
            except BaseException:  # a second Ctrl-C: the first is raised when this returns
                continue

    def work(self, share: Callable[[], None]) -> None:
        """Call a share."""
        try:
            share()
        except BaseException as error:
            self.errors.append(error)
            self.stop()

    def end(self) -> None:
        """Wake the caller."""
        self.done = True
        self.ended.release()


# For a worker: its share of a job, and how it says that it has ended.
Task = tuple[Job, Callable[[], None], "SimpleQueue[None]"]


class Pool:
    """The threads. They are started when first needed, and wait for jobs until the process ends."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job] = SimpleQueue()
        self.leader: dict[str, int] = {}
        self.workers: list[SimpleQueue[Task]] = []  # the leader's own
        self.current: Job | None = None
        self.closed = False

    def run(self, job: Job) -> None:
        """Do a job.

        Raises
        ------
        Exception
            What the first of its shares has raised.
        RuntimeError
            If there are not enough threads; then nothing has been called. If the interpreter is shutting down.
        SystemExit
            The latter in a daemon thread.
        """
        self._start_leader()
        try:
            self.jobs.put(job)
            job.wait()
        except BaseException:
            job.give_up()
            raise
        if job.errors:
            if self.closed and threading.current_thread().daemon:
                raise SystemExit(ENDING) from job.errors[0]  # ends a thread without a traceback
            raise job.errors[0]

    def start(self, count: int) -> int:
        """Start threads until there are `count`; how many of those there are.

        Raises
        ------
        RuntimeError
            If there are none.
        """
        if count <= 1 + len(self.workers):
            self._start_leader()
            return count
        found: list[int] = []
        self.run(Job([lambda: found.append(1 + self._start_workers(count - 1))], _nothing))
        return found[0]

    def close(self) -> None:
        """Before the interpreter ends: stop a job that a daemon thread waits for, and take no others."""
        self.closed = True
        if self.leader:
            current = self.current
            if current is not None:
                current.errors.append(RuntimeError(ENDING))
                current.stop()
            last = Job([], _nothing)
            self.jobs.put(last)
            last.wait()

    def _start_leader(self) -> None:
        if not self.leader:
            try:
                threading.Thread(target=self._lead, name="gpunet", daemon=True).start()
            except RuntimeError as error:
                raise RuntimeError(REFUSED.format(error)) from error

    def _lead(self) -> None:
        """Take one job after the other. A second leader, started where the start of one was interrupted, ends here."""
        me = threading.get_ident()
        if self.leader.setdefault("leader", me) != me:
            return
        while True:
            job = self.jobs.get()
            if job.take("leader"):
                self.current = job
                self._do(job)
                self.current = None
                job.end()
            del job  # its arrays may go

    def _do(self, job: Job) -> None:
        first, *others = job.shares or [_nothing]
        if self.closed and job.shares:
            job.errors.append(RuntimeError(ENDING))
            return
        started = self._start_workers(len(others))
        if started < len(others):
            job.errors.append(
                RuntimeError(REFUSED.format(f"{1 + len(others)} wanted, {1 + started} started"))
            )
            return
        with_blas_threads(1, self._share_out, job, first, others)

    def _share_out(self, job: Job, first: Callable[[], None], others: Sequence[Callable[[], None]]) -> None:
        ended: SimpleQueue[None] = SimpleQueue()
        for worker, share in zip(self.workers, others, strict=False):
            worker.put((job, share, ended))
        job.work(first)
        for _ in others:
            ended.get()

    def _start_workers(self, count: int) -> int:
        """Start workers until there are `count`; how many of those there are."""
        while len(self.workers) < count:
            tasks: SimpleQueue[Task] = SimpleQueue()
            name = f"gpunet-{1 + len(self.workers)}"
            try:
                threading.Thread(target=_work, args=(tasks,), name=name, daemon=True).start()
            except RuntimeError:
                break
            self.workers.append(tasks)
        return min(len(self.workers), count)


def _nothing() -> None:
    pass


def _work(tasks: SimpleQueue[Task]) -> None:
    """What a worker does."""
    while True:
        job, share, ended = tasks.get()
        job.work(share)
        del job, share  # their arrays may go
        ended.put(None)


_pool = Pool()


def pool() -> Pool:
    """The pool of this process."""
    return _pool


def _after_fork() -> None:
    """A forked process has none of its parent's threads, and none of their jobs."""
    global _pool
    _pool = Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(lambda: pool().close())
