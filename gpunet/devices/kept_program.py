"""The program of the last run, kept for another run of the same plan: it has its buffers, and what it has prepared.

So a loop of runs of one epoch each has them once. One program is kept, and nothing of its run's data.
"""

from __future__ import annotations

import threading

from gpunet.core.plan import Plan
from gpunet.core.program import Program


class KeptProgram:
    """A place for one program, which no two runs can have at the same time."""

    def __init__(self) -> None:
        self.program: Program | None = None
        self.lock = threading.Lock()

    def put(self, program: Program) -> None:
        """Keep a program in the place of the one that is there."""
        with self.lock:
            self.program = program

    def take(self, plan: Plan, device: str) -> Program | None:
        """The program if it is for this plan and device; from now on it is the caller's, and none is kept."""
        with self.lock:
            program, self.program = self.program, None
        matches = program is not None and program.plan == plan and program.device == device
        return program if matches else None
