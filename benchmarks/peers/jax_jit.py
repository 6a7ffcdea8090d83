"""JAX with one compiled call per step: gather, gradient and update; the buffers of the old state are donated."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import BaseImplementation

# "highest" is float32; JAX's own "bfloat16" is its default, TF32 on a GPU.
PRODUCTS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "BF16_BF16_F32"}
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


def update(case, state, X, Y):
    """One update of ``(parameters, the optimizer's slots, updates so far)``; the new state and the loss."""
    parameters, slots, t = state
    J, g = jax.value_and_grad(functools.partial(cost, case.architecture))(parameters, X, Y)
    rate, t = case.learning_rate, t + 1
    tree_map = jax.tree.map
    if case.optimizer == "plain":
        return (tree_map(lambda p, g: p - rate * g, parameters, g), slots, t), J
    if case.optimizer == "momentum":
        v = tree_map(lambda v, g: MOMENTUM * v + (1 - MOMENTUM) * g, slots[0], g)
        return (tree_map(lambda p, v: p - rate * v, parameters, v), (v,), t), J
    v = tree_map(lambda v, g: 0.9 * v + 0.1 * g, slots[0], g)
    s = tree_map(lambda s, g: 0.999 * s + 0.001 * g * g, slots[1], g)
    a, c = rate / (1 - 0.9**t), 1 / (1 - 0.999**t)
    return (tree_map(lambda p, v, s: p - a * v / (jnp.sqrt(c * s) + 1e-8), parameters, v, s), (v, s), t), J


class Implementation(BaseImplementation):
    def prepare(self):
        jax.config.update("jax_default_matmul_precision", PRODUCTS[self.case.precision])
        self.X, self.Y = jnp.asarray(self.data.X), jnp.asarray(self.data.Y)

        def step(state, X, Y, order, first, size):
            if order is not None:
                batch = jax.lax.dynamic_slice_in_dim(order, first, size)
                X, Y = X[batch], Y[batch]
            return update(self.case, state, X, Y)

        self.step = jax.jit(step, static_argnums=5, donate_argnums=0)
        self.outputs = jax.jit(self._outputs)

    def _outputs(self, parameters, X):
        Z = logits(self.architecture, parameters, X)
        return jax.nn.softmax(Z) if self.architecture.loss == "cross_entropy" else jax.nn.sigmoid(Z)

    def reset(self):
        parameters = [(jnp.array(W.T), jnp.array(b[:, 0])) for W, b in self.architecture.initial_parameters()]
        slots = {"plain": 0, "momentum": 1, "adam": 2}[self.case.optimizer]
        zeros = tuple(jax.tree.map(jnp.zeros_like, parameters) for _ in range(slots))
        self.state = (parameters, zeros, jnp.zeros((), jnp.float32))

    def train_epoch(self, order):
        if order is None:
            self.state, J = self.step(self.state, self.X, self.Y, None, 0, 0)
        else:
            order = jnp.asarray(order)
            for first, last in self.case.batch_bounds(len(order)):
                self.state, J = self.step(self.state, self.X, self.Y, order, first, last - first)
        jax.block_until_ready((self.state, J))

    def get_parameters(self):
        return [(np.asarray(W).T, np.asarray(b)[:, None]) for W, b in self.state[0]]

    def to_device(self, rows):
        return jnp.asarray(rows)

    def predict(self, rows):
        return jax.block_until_ready(self.outputs(self.state[0], rows))
