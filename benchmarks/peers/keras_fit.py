"""Keras on JAX, its fastest backend on a CPU: ``compile`` and ``fit``."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import BaseImplementation


class Implementation(BaseImplementation):
    def reset(self):
        layers = [
            keras.layers.Dense(n, None if name == "softmax" else name)
            for n, name in zip(self.architecture.sizes[1:-1], self.architecture.activations, strict=False)
        ]
        self.model = keras.Sequential(
            [
                keras.Input((self.architecture.sizes[0],)),
                *layers,
                keras.layers.Dense(self.architecture.sizes[-1]),
            ]
        )
        self.model.set_weights([p for W, b in self.architecture.initial_parameters() for p in (W.T, b[:, 0])])
        rate = self.case.learning_rate
        self.model.compile(
            {
                "plain": lambda: keras.optimizers.SGD(rate),
                "momentum": lambda: keras.optimizers.SGD(rate * (1 - MOMENTUM), momentum=MOMENTUM),
                "adam": lambda: keras.optimizers.Adam(rate, epsilon=1e-8),
            }[self.case.optimizer](),
            keras.losses.CategoricalCrossentropy(from_logits=True)
            if self.architecture.loss == "cross_entropy"
            else keras.losses.BinaryCrossentropy(from_logits=True),
        )

    def train_epoch(self, order):
        X, Y = (self.data.X, self.data.Y) if order is None else (self.data.X[order], self.data.Y[order])
        self.model.fit(X, Y, batch_size=self.case.batch_size, shuffle=False, verbose=0)

    def get_parameters(self):
        parameters = [np.asarray(p) for p in self.model.get_weights()]
        return [(W.T, b[:, None]) for W, b in zip(parameters[::2], parameters[1::2], strict=True)]
