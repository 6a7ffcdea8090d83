"""A child process that answers messages, one at a time."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from multiprocessing import Pipe

from benchmarks.errors import MeasurementFailed, Unsupported

TIMEOUT = 300  # seconds for one answer


@contextmanager
def _on_cores(cores):
    """Restrict this thread, and the processes that it starts inside, to some cores; None does not."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class WorkerProcess:
    """Starts a command with the number of a connection's file descriptor as its last argument.

    The child receives messages through :class:`multiprocessing.connection.Connection` and answers each with
    ``("answer", value)``, ``("unsupported", reason)`` or ``("error", text)``. None ends it.

    Parameters
    ----------
    command : list of str
    env : dict
    cwd : path
    log : file or None
        Where the child's output goes; None for where this process's goes.
    cores : list of int or None
        Those that the child may use, from its start: libraries look at their number when they load. None for all.
    """

    def __init__(self, command, env, cwd, log, cores=None):
        self.connection, childs_end = Pipe()
        with _on_cores(cores):
            self.process = subprocess.Popen(
                [*command, str(childs_end.fileno())],
                env=env,
                cwd=cwd,
                pass_fds=[childs_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        childs_end.close()

    def ask(self, message):
        """The child's answer.

        Raises
        ------
        MeasurementFailed
            Also if the child has ended or does not answer; :attr:`running` tells the difference.
        Unsupported
        """
        try:
            self.connection.send(message)
            if not self.connection.poll(TIMEOUT):
                raise TimeoutError
            kind, answer = self.connection.recv()
        except (EOFError, OSError) as error:
            self.close(kill=True)
            reason = f"no answer in {TIMEOUT} s" if isinstance(error, TimeoutError) else "its process ended"
            raise MeasurementFailed(f"{reason} (exit status {self.process.poll()})") from error
        if kind == "answer":
            return answer
        raise (Unsupported if kind == "unsupported" else MeasurementFailed)(answer)

    @property
    def running(self):
        return not self.connection.closed

    def close(self, kill=False):
        if self.running:
            with suppress(OSError):
                self.connection.send(None)
            self.connection.close()
        if kill:
            self.process.kill()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
