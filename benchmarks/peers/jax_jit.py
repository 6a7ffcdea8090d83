"""JAX with one compiled call for each step: gather, gradient and update; the weights are donated."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import Peer

jax.config.update("jax_default_matmul_precision", "highest")  # float32 products, not TF32
ACTIVATION = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}


def logits(net, parameters, X):
    for (W, b), name in zip(parameters, net.activations, strict=True):
        Z = X @ W + b
        X = ACTIVATION.get(name, lambda Z: Z)(Z)
    return Z


def cost(net, parameters, X, Y):
    Z = logits(net, parameters, X)
    if net.loss == "cross_entropy":
        return -jnp.mean(jnp.sum(Y * jax.nn.log_softmax(Z), axis=1))
    return jnp.mean(jnp.sum(jax.nn.softplus(Z) - Z * Y, axis=1))


def step(case, carry, X, Y):
    """One update; the loss is returned as well."""
    parameters, slots, t = carry
    J, g = jax.value_and_grad(functools.partial(cost, case.network))(parameters, X, Y)
    rate, t = case.learning_rate, t + 1
    each = jax.tree.map
    if case.optimizer == "plain":
        return (each(lambda p, g: p - rate * g, parameters, g), slots, t), J
    if case.optimizer == "momentum":
        v = each(lambda v, g: MOMENTUM * v + (1 - MOMENTUM) * g, slots[0], g)
        return (each(lambda p, v: p - rate * v, parameters, v), (v,), t), J
    v = each(lambda v, g: 0.9 * v + 0.1 * g, slots[0], g)
    s = each(lambda s, g: 0.999 * s + 0.001 * g * g, slots[1], g)
    a, c = rate / (1 - 0.9**t), 1 / (1 - 0.999**t)
    return (each(lambda p, v, s: p - a * v / (jnp.sqrt(c * s) + 1e-8), parameters, v, s), (v, s), t), J


class Contender(Peer):
    def prepare(self):
        self.X, self.Y = jnp.asarray(self.data.X), jnp.asarray(self.data.Y)

        def one(carry, X, Y, order, first, last):
            if order is not None:
                chosen = jax.lax.dynamic_slice_in_dim(order, first, last)
                X, Y = X[chosen], Y[chosen]
            return step(self.case, carry, X, Y)

        self.one = jax.jit(one, static_argnums=5, donate_argnums=0)
        self.forward = jax.jit(self._forward)

    def _forward(self, parameters, X):
        Z = logits(self.net, parameters, X)
        return jax.nn.softmax(Z) if self.net.loss == "cross_entropy" else jax.nn.sigmoid(Z)

    def reset(self):
        parameters = [(jnp.array(W.T), jnp.array(b[:, 0])) for W, b in self.net.start()]
        slots = {"plain": 0, "momentum": 1, "adam": 2}[self.case.optimizer]
        state = tuple(jax.tree.map(jnp.zeros_like, parameters) for _ in range(slots))
        self.carry = (parameters, state, jnp.zeros((), jnp.float32))

    def epoch(self, order):
        if order is None:
            self.carry, J = self.one(self.carry, self.X, self.Y, None, 0, 0)
        else:
            resident = jnp.asarray(order)
            for first, last in self.case.batches(len(order)):
                self.carry, J = self.one(self.carry, self.X, self.Y, resident, first, last - first)
        jax.block_until_ready((self.carry, J))

    def weights(self):
        return [(np.asarray(W).T, np.asarray(b)[:, None]) for W, b in self.carry[0]]

    def resident(self, rows):
        return jnp.asarray(rows)

    def predict(self, rows):
        return jax.block_until_ready(self.forward(self.carry[0], rows))
