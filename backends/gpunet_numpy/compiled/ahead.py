"""Compile a program into numba's cache: ``python -m gpunet_numpy.compiled.ahead MODULE:CLASS DTYPE``.

:mod:`gpunet_numpy.compiling` runs this in a child process. A kernel is compiled once per dtype, whatever the plan, so
this runs the smallest one.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from contextlib import suppress
from typing import Any

import numpy as np

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.cache import folder_of, is_on_disk

NICENESS = 5  # below the process that trains


def run_smallest(compiled: Any, dtype: str) -> None:
    """Run a program, or the predictor, on one number."""
    one = np.ones((1, 1), dtype)
    if not issubclass(compiled, Program):
        compiled(["identity"], [(one, one)])(one)
        return
    optimizer = GradientDescent()
    plan = Plan((Layer(1, 1, "identity"),), "squared_error", optimizer, 1, 1, dtype)
    coefficients = np.array([optimizer.coefficients(0, 1, 0)], dtype)
    state = TrainState([(one, one)], [((), ())])
    compiled(plan)(state, EpochInputs(one, one, None, None, coefficients, None))


def lock(path: str) -> None:
    """Wait until no other process has locked this file, then lock it until this one ends, where the system can."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(os.open(path, os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)


def main() -> None:
    """See the module's docstring."""
    name, dtype = sys.argv[1:]
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    compiled = pkgutil.resolve_name(name)
    lock(os.path.join(folder_of(compiled.kernel), f"{dtype}.lock"))
    run_smallest(compiled, dtype)  # a process that had to wait finds it compiled
    if not is_on_disk(compiled.kernel, dtype):
        sys.exit("numba's cache could not be written")


if __name__ == "__main__":
    main()
