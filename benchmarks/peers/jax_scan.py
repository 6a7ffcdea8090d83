"""JAX with one compiled call per epoch: a scan over the steps, each of which gathers its shuffled batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks.peers import jax_jit
from benchmarks.peers.jax_jit import update


class Implementation(jax_jit.Implementation):
    def prepare(self):
        super().prepare()
        self.scan = jax.jit(self._scan, donate_argnums=0)

    def _scan(self, state, X, Y, order):
        def step(state, batch):
            return update(self.case, state, X[batch], Y[batch])

        size = min(self.case.batch_size, order.shape[0])
        whole = order.shape[0] // size
        state, losses = jax.lax.scan(step, state, order[: whole * size].reshape(whole, size))
        if whole * size < order.shape[0]:
            state, J = step(state, order[whole * size :])
            losses = jnp.append(losses, J)
        return state, losses

    def train_epoch(self, order):
        if order is None:
            super().train_epoch(order)
            return
        self.state, losses = self.scan(self.state, self.X, self.Y, jnp.asarray(order))
        jax.block_until_ready((self.state, losses))
