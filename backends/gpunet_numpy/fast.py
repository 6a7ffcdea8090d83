"""Whether the compiled programs can run here, and whether a plan is large enough to repay them.

They need numba, SciPy and threadpoolctl (the extra ``fast``). Without those, the programs in plain NumPy run.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

from gpunet.plan import Plan

# Loading compiled code takes about half a second, and compiling it, once a machine, some seconds: an epoch that
# plain NumPy does faster than this is left to it. The estimate is coarse on purpose.
WORTH_SECONDS = 0.05
WORTH_WEIGHTS = 50_000  # a smaller network predicts in microseconds as it is
FLOPS = 1e11  # of a few cores, in matrix products
STEP_SECONDS = 50e-6  # of plain NumPy, per update, for everything but products


@functools.cache
def missing() -> str | None:
    """Why the compiled programs can't run here; None if they can."""
    for name in ("numba", "scipy", "threadpoolctl"):
        if importlib.util.find_spec(name) is None:
            return f'{name} is not installed (pip install "gpunet[fast]")'
    from gpunet_numpy.blas import steer

    steer()
    try:
        import gpunet_numpy.compiled.batch_program
        import gpunet_numpy.compiled.block_program  # noqa: F401
    except (ImportError, RuntimeError) as error:  # RuntimeError: no folder for numba's cache can be written
        return f"numba does not work here ({error})"
    return None


def small(plan: Plan) -> str | None:
    """Whether an epoch is over before compiled code is loaded; deterministic, so that runs repeat exactly."""
    weights = sum(layer.inputs * layer.units for layer in plan.layers)
    seconds = 6.0 * weights * plan.examples / FLOPS + plan.steps * STEP_SECONDS
    return "an epoch is too short to repay loading compiled code" if seconds < WORTH_SECONDS else None


def predictor(activations: Sequence[str], parameters: Any) -> Callable[[Any], Any] | None:
    """A compiled forward pass, for networks whose single product is worth it; None otherwise."""
    if sum(W.size for W, _ in parameters) < WORTH_WEIGHTS or missing() is not None:
        return None
    from gpunet_numpy.compiled.forward_program import Forward

    return Forward(activations, parameters) if Forward.covers(activations) else None


class FastBlocks:
    """:class:`gpunet_numpy.compiled.block_program.Blocks`, where it can run and pays."""

    name = "compiled blocks"

    def __new__(cls, plan: Plan) -> Any:
        """The program for `plan`."""
        from gpunet_numpy.compiled.block_program import Blocks

        return Blocks(plan)

    @staticmethod
    def uncovered(plan: Plan) -> str | None:
        """Why `plan` is not for this program."""
        reason = small(plan) or missing()
        if reason is None:
            from gpunet_numpy.compiled.block_program import Blocks

            reason = Blocks.uncovered(plan)
        return reason


class FastBatches:
    """:class:`gpunet_numpy.compiled.batch_program.Batches`, where it can run and pays."""

    name = "compiled batches"

    def __new__(cls, plan: Plan) -> Any:
        """The program for `plan`."""
        from gpunet_numpy.compiled.batch_program import Batches

        return Batches(plan)

    @staticmethod
    def uncovered(plan: Plan) -> str | None:
        """Why `plan` is not for this program."""
        reason = small(plan) or missing()
        if reason is None:
            from gpunet_numpy.compiled.program import uncovered

            reason = uncovered(plan)
        return reason
