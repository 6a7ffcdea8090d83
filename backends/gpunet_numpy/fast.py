"""Whether the compiled programs can run here, and which of them covers a plan.

They need numba, SciPy and threadpoolctl (the extra ``fast``). Without those, the programs in plain NumPy run.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

from gpunet.core.plan import Plan
from gpunet.core.program import Program

# In the order in which they are tried.
COMPILED = (("step_program", "Steps"), ("block_program", "Blocks"), ("batch_program", "Batches"))

WORTH_WEIGHTS = 50_000  # a smaller network predicts in microseconds without compiled code


@functools.cache
def missing() -> str | None:
    """Why the compiled programs can't run here; None if they can."""
    for name in ("numba", "scipy", "threadpoolctl"):
        if importlib.util.find_spec(name) is None:
            return f'{name} is not installed (pip install "gpunet[fast]")'
    from gpunet_numpy.blas import steer

    steer()
    try:
        for module, _ in COMPILED:
            importlib.import_module(f"gpunet_numpy.compiled.{module}")
    except (ImportError, RuntimeError) as error:  # RuntimeError: no folder for numba's cache can be written
        return f"numba does not work here ({error})"
    return None


def find(plan: Plan) -> tuple[Callable[[Plan], Program] | None, str]:
    """The compiled program that covers `plan`, or None and why none does."""
    reason = missing()
    if reason is not None:
        return None, f"compiled programs: {reason}"
    reasons = []
    for module, name in COMPILED:
        program = getattr(importlib.import_module(f"gpunet_numpy.compiled.{module}"), name)
        reason = program.unsupported_reason(plan)
        if reason is None:
            return program, ""
        reasons.append(f"{program.name}: {reason}")
    return None, "; ".join(reasons)


def predictor(activations: Sequence[str], parameters: Any) -> Callable[[Any], Any | None] | None:
    """A compiled forward pass, for networks whose single product is worth it; None otherwise."""
    if sum(W.size for W, _ in parameters) < WORTH_WEIGHTS or missing() is not None:
        return None
    from gpunet_numpy.compiled.forward_program import Forward

    return Forward(activations, parameters) if Forward.covers(activations) else None
