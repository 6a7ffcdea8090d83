"""The contenders' processes, seen from the one that asks."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path

from benchmarks.machine import ROOT, environment

PAUSE = 0.03  # seconds for the last one's threads to fall asleep
LONGEST = 300  # seconds for one answer


class Failed(Exception):
    """A contender could not do what it was asked."""


class LeftOut(Exception):
    """A contender has no such thing."""


class Team:
    """Starts each contender's process when it is first asked something."""

    def __init__(self, settings):
        self.settings = settings
        self.members = {}
        self.log = (Path(settings.folder) / "workers.log").open("ab")

    def ask(self, name, question, *arguments):
        """What contender `name` answers.

        Raises
        ------
        Failed, LeftOut
        """
        if name not in self.members:
            self._start(name)
        time.sleep(PAUSE)
        return self._exchange(name, (question, arguments))

    def _start(self, name):
        ours, theirs = Pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", str(theirs.fileno()), name],
            env=self._environment(name),
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        theirs.close()
        self.members[name] = (process, ours)
        self._exchange(name, self.settings)

    def _environment(self, name):
        return environment() | self.settings.variables(name)

    def _exchange(self, name, message):
        process, connection = self.members[name]
        try:
            connection.send(message)
            if not connection.poll(LONGEST):
                raise TimeoutError
            kind, answer = connection.recv()
        except (EOFError, OSError) as error:
            self._end(name, now=True)
            said = f"no answer in {LONGEST} s" if isinstance(error, TimeoutError) else "its process ended"
            raise Failed(f"{said} (exit status {process.poll()})") from error
        if kind == "answer":
            return answer
        raise (LeftOut if kind == "left out" else Failed)(answer)

    def _end(self, name, now=False):
        process, connection = self.members.pop(name)
        with suppress(OSError):
            connection.send(None)
        connection.close()
        if now:
            process.kill()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self):
        for name in list(self.members):
            self._end(name)
        self.log.close()


def once(question, name, settings, case, **variables):
    """What one contender says in a fresh process (see :mod:`benchmarks.once`).

    Raises
    ------
    Failed
    """
    said = [json.dumps(dataclasses.asdict(value)) for value in (settings, case)]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.once", question, name, *said],
        env=environment() | settings.variables(name) | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise Failed((ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"])[-1][:300])
    return json.loads(ran.stdout.strip().splitlines()[-1])
