"""What an epoch takes plain NumPy: coarse on purpose, and always the same, so that runs repeat exactly."""

from __future__ import annotations

from gpunet.core.plan import Plan

FLOPS = 1e11  # per second, of a few cores, in matrix products
STEP_SECONDS = 50e-6  # per update, for everything but products
BYTES = 5e9  # per second, of examples gathered and read twice
CALL_SECONDS = 5e-3  # around a call the training loop takes some tenths of a millisecond


def epoch_seconds(plan: Plan) -> float:
    """About what an epoch takes."""
    bytes_read = plan.examples * plan.layers[0].inputs * (4 if plan.dtype == "float32" else 8)
    return 6.0 * plan.weights * plan.examples / FLOPS + bytes_read / BYTES + plan.steps * STEP_SECONDS


def epochs_together(plan: Plan) -> int:
    """Epochs that take about `CALL_SECONDS`, at least one."""
    return max(int(CALL_SECONDS / epoch_seconds(plan)), 1)
