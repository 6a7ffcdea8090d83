"""The reference's step, traced once, and a whole epoch of it under ``jax.lax.scan``."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.reference import Batch, columns, step


class Scan(Program):
    """An epoch of one plan: full batches are scanned, a smaller last one is one more step.

    Parameters
    ----------
    plan : Plan
    sharding : jax.sharding.Sharding or None
        Of the columns of a batch, over several devices.
    """

    name = "jax scan"

    def __init__(self, plan: Plan, sharding: Any = None) -> None:
        super().__init__(plan)
        self.sharding = sharding
        self.epoch = jax.jit(self._epoch)

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        state, losses = self.epoch(state, inputs)
        return state, losses

    def _epoch(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        X, Y, weights, order, coefficients, keys, _ = inputs

        def one(state: TrainState, now: Any) -> tuple[TrainState, Any]:
            chosen, c, k = now
            w = None if weights is None else columns(jnp, weights, chosen)
            parts = columns(jnp, X, chosen), columns(jnp, Y, chosen), w
            if self.sharding is not None:
                parts = jax.lax.with_sharding_constraint(parts, self.sharding)
            batch = Batch(*parts, c, k)
            state, J = step(jnp, self.plan, state, batch)
            return _as_lists(state), J

        if order is None:
            order = jnp.arange(X.shape[1], dtype=jnp.int32)
        size = min(self.plan.batch_size, order.shape[0])
        full = order.shape[0] // size
        batches = jnp.reshape(order[: full * size], (full, size))
        some_keys = None if keys is None else keys[:full]
        state, losses = jax.lax.scan(one, _as_lists(state), (batches, coefficients[:full], some_keys))
        if full * size < order.shape[0]:
            last = (order[full * size :], coefficients[full], None if keys is None else keys[full])
            state, J = one(state, last)
            losses = jnp.append(losses, J)
        return state, losses


def _as_lists(state: TrainState) -> TrainState:
    """The same state in lists and tuples: a scan's carry must not change its structure."""
    return TrainState([(W, b) for W, b in state.parameters], [(W, b) for W, b in state.slots])


@functools.lru_cache(maxsize=32)
def scan_program(plan: Plan, sharding: Any = None) -> Scan:
    """The program of a plan; cached, because tracing and compiling it takes longer than running it."""
    return Scan(plan, sharding)
