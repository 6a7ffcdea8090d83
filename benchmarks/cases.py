"""Cases: an architecture, a batch size and an optimizer, with the initial weights and orders that all share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Architecture:
    title: str
    sizes: tuple[int, ...]  # n[0], …, n[L]
    activations: tuple[str, ...]  # of layers 1 to L; the last is softmax or sigmoid
    dataset: str

    @property
    def loss(self):
        return "cross_entropy" if self.activations[-1] == "softmax" else "logistic"

    @property
    def flops_per_example(self):
        """Of an update: ``W A`` and ``dZ Aᵀ`` in every layer, ``Wᵀ dZ`` from the second on."""
        weights = [a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        return 2 * (2 * sum(weights) + sum(weights[1:]))

    def initial_parameters(self, seed=0):
        """``[(W (n_out, n_in), b (n_out, 1)), …]``, the same for every implementation."""
        rng = np.random.default_rng(seed)
        parameters = []
        for n_in, n_out, activation in zip(self.sizes, self.sizes[1:], self.activations, strict=False):
            scale = math.sqrt((2.0 if activation == "relu" else 1.0) / n_in)
            W = (scale * rng.standard_normal((n_out, n_in))).astype(np.float32)
            parameters.append((W, np.zeros((n_out, 1), np.float32)))
        return parameters


SHALLOW = (784, 256, 10), ("sigmoid", "softmax")
DEEP = (784, 512, 256, 10), ("relu", "relu", "softmax")
ARCHITECTURES = {
    "shallow": Architecture("784-256-10, sigmoid", *SHALLOW, "mnist"),
    "deep": Architecture("784-512-256-10, ReLU", *DEEP, "mnist"),
    "shallow-noisy": Architecture("784-256-10, no zeros in the data", *SHALLOW, "noisy"),
    "deep-noisy": Architecture("784-512-256-10, no zeros in the data", *DEEP, "noisy"),
    "table": Architecture("table: 24-8-2, sigmoid", (24, 8, 2), ("sigmoid", "softmax"), "table"),
    "neuron": Architecture("needle: one neuron, 256-1", (256, 1), ("sigmoid",), "needles"),
    "hidden": Architecture("needle: hidden layer, 256-16-1", (256, 16, 1), ("sigmoid", "sigmoid"), "needles"),
}
LEARNING_RATES = {"plain": 0.1, "momentum": 0.1, "adam": 1e-3}
MOMENTUM = 0.9


@dataclass(frozen=True)
class Case:
    """One cell of a table.

    `optimizer` is ``"plain"`` (gradient descent without momentum), ``"momentum"`` (the lecture's,
    ``v ← β v + (1 − β) ∇J``) or ``"adam"``. `batch` is None for full batches. `from_host` is about inference: rows are
    on the host, and so are the outputs; without it both are on the device. `precision` is of the products of training.
    `epochs` is the length of a sample where a run is that short; None for as many as a sample takes.
    """

    net: str
    batch: int | None
    optimizer: str = "plain"
    rate: float | None = None
    examples: int = 60_000
    from_host: bool = False
    precision: str = "float32"
    epochs: int | None = None

    @property
    def architecture(self):
        return ARCHITECTURES[self.net]

    @property
    def batch_size(self):
        return self.batch or self.examples

    @property
    def learning_rate(self):
        return LEARNING_RATES[self.optimizer] if self.rate is None else self.rate

    @property
    def name(self):
        precision = "" if self.precision == "float32" else f"-{self.precision}"
        host = "-host" if self.from_host else ""
        epochs = "" if self.epochs is None else f"-{self.epochs}-epochs"
        return f"{self.net}-{self.batch or 'full'}-{self.optimizer}{precision}{host}{epochs}"

    @property
    def method(self):
        """What the lecture calls training with such batches."""
        return {None: "full batch", 1: "SGD"}.get(self.batch, "mini-batch")

    @property
    def includes_slow(self):
        """Whether slow implementations are measured too; compiling takes some of them many seconds per case."""
        return self.net == "shallow" and self.optimizer == "plain" and self.batch in (1, 32, 1000)

    def order(self, epoch):
        """The order of the examples in an epoch, as gpunet draws it from seed 0; None for full batches."""
        if self.batch is None:
            return None
        return np.random.default_rng([0, epoch]).permutation(self.examples).astype(np.int32)

    def batch_bounds(self, examples):
        """First and last (exclusive) position of each batch among the first `examples` of an order."""
        size = self.batch_size
        return [(first, min(first + size, examples)) for first in range(0, examples, size)]
