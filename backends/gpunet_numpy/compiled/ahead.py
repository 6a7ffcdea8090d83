"""Compile a program into the cache: ``python -m gpunet_numpy.compiled.ahead MODULE:CLASS DTYPE``.

:mod:`gpunet_numpy.compiling` runs this in a child process. A kernel is compiled once per dtype, whatever the plan, so
this runs the smallest one, and ends.
"""

from __future__ import annotations

import pkgutil
import signal
import sys
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.devices.placement import host_placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet_numpy.compiled.cache import is_on_disk

LONGEST = 1800  # seconds, for a process that nobody waits for: it takes some seconds of CPU time


def run_smallest(compiled: Any, dtype: str) -> None:
    """Run a program, or the predictor, on one number."""
    one = np.ones((1, 1), dtype)
    if not issubclass(compiled, Program):
        compiled(["identity"], [(one, one)])(one)
        return
    optimizer = GradientDescent()
    sparse = compiled.takes_sparse
    plan = Plan((Layer(1, 1, "identity"),), "squared_error", optimizer, 1, 1, dtype, sparse=sparse)
    coefficients = np.array([optimizer.coefficients(0, 1, 0)], dtype)
    state = TrainState([(one, one)], [((), ())])
    X = SparseExamples(csr_array(one), host_placement()) if sparse else one
    compiled(plan)(state, EpochInputs(X, one, None, None, coefficients, None))


def main() -> None:
    """See the module's docstring."""
    name, dtype = sys.argv[1:]
    if hasattr(signal, "alarm"):
        signal.alarm(LONGEST)
    compiled = pkgutil.resolve_name(name)
    run_smallest(compiled, dtype)
    if not is_on_disk(compiled.kernel, dtype):
        sys.exit("the compiled code could not be written")


if __name__ == "__main__":
    main()
