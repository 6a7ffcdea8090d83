"""JAX with one compiled call per epoch: a scan over the steps, each of which gathers its shuffled batch.

Full batches need no order: there one compiled call is a loop over all epochs of a sample.
"""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp

from benchmarks.peers import jax_jit
from benchmarks.peers.jax_jit import update


class Implementation(jax_jit.Implementation):
    def prepare(self):
        super().prepare()
        self.scan = jax.jit(self._scan, donate_argnums=0)
        self.repeat = jax.jit(self._repeat, donate_argnums=0)

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

    def _repeat(self, state, X, Y, epochs):
        return jax.lax.fori_loop(0, epochs, lambda _, state: update(self.case, state, X, Y)[0], state)

    def time_epochs(self, orders):
        if self.case.batch is not None:
            return super().time_epochs(orders)
        started = time.perf_counter()
        self.state = jax.block_until_ready(self.repeat(self.state, self.X, self.Y, len(orders)))
        return time.perf_counter() - started

    def train_epoch(self, order):
        if order is None:
            super().train_epoch(order)
            return
        self.state, losses = self.scan(self.state, self.X, self.Y, jnp.asarray(order))
        jax.block_until_ready((self.state, losses))
