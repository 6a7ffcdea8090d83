"""What is measured: networks, batch sizes, optimizers, and the weights and order that all contenders share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Net:
    title: str
    sizes: tuple[int, ...]
    activations: tuple[str, ...]  # of each layer but the input; the last is softmax or sigmoid
    data: str

    @property
    def loss(self):
        return "cross_entropy" if self.activations[-1] == "softmax" else "logistic"

    @property
    def flops(self):
        """Of one example's update: ``W A`` and ``dZ Aᵀ`` in every layer, ``Wᵀ dZ`` from the second on."""
        weights = [a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        return 2 * (2 * sum(weights) + sum(weights[1:]))

    def start(self, seed=0):
        """The first weights, ``[(W (n_out, n_in), b (n_out, 1)), …]``."""
        rng = np.random.default_rng(seed)
        weights = []
        for n_in, n_out, name in zip(self.sizes, self.sizes[1:], self.activations, strict=False):
            scale = math.sqrt((2.0 if name == "relu" else 1.0) / n_in)
            W = (scale * rng.standard_normal((n_out, n_in))).astype(np.float32)
            weights.append((W, np.zeros((n_out, 1), np.float32)))
        return weights


NETS = {
    "shallow": Net("784-256-10, sigmoid", (784, 256, 10), ("sigmoid", "softmax"), "mnist"),
    "deep": Net("784-512-256-10, ReLU", (784, 512, 256, 10), ("relu", "relu", "softmax"), "mnist"),
    "shallow-noisy": Net("784-256-10, no zeros in the data", (784, 256, 10), ("sigmoid", "softmax"), "noisy"),
    "deep-noisy": Net(
        "784-512-256-10, no zeros in the data", (784, 512, 256, 10), ("relu", "relu", "softmax"), "noisy"
    ),
    "neuron": Net("needle: one neuron, 256-1", (256, 1), ("sigmoid",), "needles"),
    "hidden": Net("needle: hidden layer, 256-16-1", (256, 16, 1), ("sigmoid", "sigmoid"), "needles"),
}
RATES = {"plain": 0.1, "momentum": 0.1, "adam": 1e-3}
BATCHES = (1, 8, 32, 128, 1000, None)
MOMENTUM = 0.9


@dataclass(frozen=True)
class Case:
    """One training cell; momentum is the lecture's, ``v ← β v + (1 − β) ∇J``."""

    net: str
    batch: int | None  # None: all examples at once
    optimizer: str = "plain"
    rate: float | None = None
    examples: int = 60_000

    @property
    def network(self):
        return NETS[self.net]

    @property
    def size(self):
        return self.batch or self.examples

    @property
    def for_all(self):
        """Whether contenders that are far behind take part as well; compiling takes some of them many seconds."""
        return self.net == "shallow" and self.optimizer == "plain" and self.batch in (1, 32, 1000)

    @property
    def lasts(self):
        """How much longer than others a turn is: gpunet's first third of a second of tiny epochs is plain NumPy's."""
        return 4 if self.net in ("neuron", "hidden") and self.size >= 1000 else 1

    @property
    def learning_rate(self):
        return RATES[self.optimizer] if self.rate is None else self.rate

    @property
    def name(self):
        return f"{self.net}-{self.batch or 'full'}-{self.optimizer}"

    def order(self, epoch):
        """The order in which an epoch's examples are used; gpunet's own with seed 0. Full batches need none."""
        if self.batch is None:
            return None
        return np.random.default_rng([0, epoch]).permutation(self.examples).astype(np.int32)

    def batches(self, used):
        """Bounds of each batch among the first `used` examples of an order."""
        return [(i, min(i + self.size, used)) for i in range(0, used, self.size)]


def throughput_cases(quick):
    """Cells of the throughput table."""
    if quick:
        return [
            *(Case("shallow", batch) for batch in (1, 32, 1000)),
            Case("shallow-noisy", 1000),
            Case("deep", 128),
        ]
    return [
        *(Case(net, batch) for net in ("shallow", "deep") for batch in BATCHES),
        *(
            Case(net, batch, optimizer)
            for net in ("shallow", "deep")
            for optimizer in ("momentum", "adam")
            for batch in (128, 1000)
        ),
        *(Case("shallow-noisy", batch) for batch in BATCHES),
        *(Case("deep-noisy", batch) for batch in (1, 32, 1000)),
        *(Case(net, batch) for net in ("neuron", "hidden") for batch in (1, 32, 1000, None)),
    ]


def inference_cases(quick):
    """Cells of the inference table; the optimizer plays no part."""
    if quick:
        return [Case("shallow", batch) for batch in (1, 10_000)]
    return [
        *(Case(net, batch) for net in ("shallow", "deep") for batch in (1, 10_000)),
        Case("shallow-noisy", 10_000),
    ]


def equal_cases(quick):
    """Cells whose weights are compared; few steps, because rounding grows where ReLU and Adam meet."""
    cases = [
        Case("shallow", 1, examples=1500),
        Case("shallow", 32, examples=3000),
        Case("shallow", 128, examples=5000),
        Case("deep", 128, examples=5000),
        Case("shallow-noisy", 128, examples=5000),
        Case("shallow", 128, "momentum", examples=5000),
        Case("shallow", 128, "adam", examples=5000),
        Case("hidden", 32, examples=5000),
        Case("neuron", 1, examples=2000),
        Case("shallow", None, examples=5000),
    ]
    return cases[:2] if quick else cases


def first_epoch_cases(quick):
    """Short ones: the question is what comes before the first epoch is over."""
    return [Case("shallow", 32)] if quick else [Case("shallow", 1, examples=5000), Case("shallow", 32)]


def memory_cases(quick):
    return [Case("shallow", None, examples=m) for m in ((60_000,) if quick else (60_000, 240_000))]


def to_98_cases(quick):
    """Settings for each way of descent; every contender's best one counts."""
    if quick:
        return {"mini-batch": [Case("shallow", 16, "momentum", 1.0)]}
    return {
        "SGD": [Case("shallow", 1, "plain", 0.07)],
        "mini-batch": [
            Case("shallow", 8, "plain", 0.5),
            Case("shallow", 16, "plain", 0.7),
            Case("shallow", 16, "momentum", 1.0),
            Case("shallow", 32, "adam", 2e-3),
            Case("shallow", 256, "adam", 1e-2),
        ],
        "full batch": [Case("shallow", None, "adam", 4e-2)],
    }
