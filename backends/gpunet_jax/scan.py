"""The reference's step, traced once, and a whole epoch of it under ``jax.lax.scan``."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from gpunet.core.reference import columns, step
from gpunet.core.plan import Plan


class Scan:
    """A program of :mod:`gpunet.core.reference` for one plan: equal batches are scanned, the rest is one more step.

    Parameters
    ----------
    plan : Plan
    """

    name = "jax scan"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.epoch = jax.jit(self._epoch)

    def __call__(
        self,
        parameters: Any,
        state: Any,
        X: Any,
        Y: Any,
        weights: Any,
        order: Any,
        coefficients: Any,
        keys: Any,
    ) -> Any:
        """See :class:`gpunet.core.reference.Program`."""
        return self.epoch(parameters, state, X, Y, weights, order, coefficients, keys)

    def _epoch(
        self,
        parameters: Any,
        state: Any,
        X: Any,
        Y: Any,
        weights: Any,
        order: Any,
        coefficients: Any,
        keys: Any,
    ) -> Any:
        def one(carry: Any, now: Any) -> Any:
            chosen, c, k = now
            parameters, state = carry
            x, y = columns(jnp, X, chosen), columns(jnp, Y, chosen)
            w = None if weights is None else columns(jnp, weights, chosen)
            new, kept, J = step(jnp, self.plan, parameters, state, x, y, w, c, k)
            return (list(new), list(kept)), J

        if order is None:
            order = jnp.arange(X.shape[1], dtype=jnp.int32)
        size = min(self.plan.batch_size, order.shape[0])
        whole = order.shape[0] // size
        rows = jnp.reshape(order[: whole * size], (whole, size))
        carry = ([tuple(p) for p in parameters], [tuple(s) for s in state])
        some_keys = None if keys is None else keys[:whole]
        carry, losses = jax.lax.scan(one, carry, (rows, coefficients[:whole], some_keys))
        if whole * size < order.shape[0]:
            last = (
                order[whole * size :],
                coefficients[whole],
                None if keys is None else keys[whole],
            )
            carry, J = one(carry, last)
            losses = jnp.append(losses, J)
        return *carry, losses


@functools.lru_cache(maxsize=32)
def scan_program(plan: Plan) -> Scan:
    """The program of a plan; kept, because tracing and compiling it takes longer than running it."""
    return Scan(plan)
