"""Activations, losses and optimizers of a user's own, and a network of them."""

from dataclasses import dataclass

import gpunet as gn

# Twins of gpunet's own would hide a program that ignores them: these are functions that no program knows.
SINE = gn.Activation("sine", lambda xp, Z: xp.sin(Z), lambda xp, dA, Z, A: dA * xp.cos(Z), -1.0, 1.0)
RATIO = gn.Activation(
    "ratio",
    lambda xp, Z: 0.5 + 0.5 * Z / (1.0 + xp.abs(Z)),
    lambda xp, dA, Z, A: dA * 0.5 / (1.0 + xp.abs(Z)) ** 2,
    0.0,
    1.0,
)
QUARTIC = gn.Loss("quartic", lambda xp, A, Y: (A - Y) ** 4, lambda xp, A, Y: 4.0 * (A - Y) ** 3)


@dataclass(frozen=True)
class Sign(gn.Optimizer):
    """Signed descent with a memory, and a rate of its own."""

    learning_rate: float = 0.01
    memory: float = 0.5
    slots = 1

    def coefficients(self, step, planned, updates):
        return (self.learning_rate / (1 + updates), self.memory)

    def update(self, xp, theta, gradient, slots, c):
        v = c[1] * slots[0] + gradient
        return theta - c[0] * xp.sign(v), (v,)


@dataclass(frozen=True)
class Warming(gn.GradientDescent):
    """Inherits everything but its rate."""

    def coefficients(self, step, planned, updates):
        return (self.learning_rate * (updates + 1),)


class Halving(gn.Adam):
    def update(self, xp, theta, gradient, slots, c):
        return 0.5 * theta, slots


def network(backend="numpy", hidden=SINE, output="identity", loss=QUARTIC, dtype="float64"):
    layers = [gn.Dense(5, hidden), gn.Dense(2, output)]
    return gn.Network(layers, loss=loss, inputs=3, seed=0, backend=backend, dtype=dtype)
