"""The program of the last run, with its buffers and its own layout of the weights that it has left."""

from __future__ import annotations

from gpunet.devices.kept_program import KeptProgram

BYTES = 32 << 20  # of memory that a program may have

KEPT = KeptProgram()
