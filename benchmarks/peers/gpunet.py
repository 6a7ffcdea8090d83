"""gpunet through its public interface: ``Network.fit`` and ``Network.predict``."""

from __future__ import annotations

import gpunet as gn
from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import BaseImplementation


class Implementation(BaseImplementation):
    whole_epochs = True

    def prepare(self):
        name, _, device = self.settings.backend.partition(":")
        self.backend = gn.get_backend(name)
        self.device = device or self.backend.devices()[0]
        self.X, self.Y = self.to_device(self.data.X), self.to_device(self.data.Y)
        rate = self.case.learning_rate
        self.optimizer = {
            "plain": gn.GradientDescent(rate),
            "momentum": gn.GradientDescent(rate, momentum=MOMENTUM),
            "adam": gn.Adam(rate),
        }[self.case.optimizer]

    def reset(self):
        n_in, *units = self.architecture.sizes
        layers = [gn.Dense(n, g) for n, g in zip(units, self.architecture.activations, strict=True)]
        # Seed 0 draws the orders of `Case.order`.
        self.network = gn.Network(
            layers, self.architecture.loss, inputs=n_in, seed=0, backend=self.settings.backend
        )
        self.network.set_parameters(self.architecture.initial_parameters())

    def fit(self, epochs, **more):
        history = self.network.fit(
            self.X,
            self.Y,
            optimizer=self.optimizer,
            epochs=epochs,
            batch_size=self.case.batch,
            shuffle=self.case.batch is not None,
            precision=self.case.precision,
            **more,
        )
        self.program = history.program
        return history

    def train_epoch(self, order):
        self.fit(1)

    def time_epochs(self, orders):
        """Training alone, as the history reports it: peers get checked data and drawn orders too."""
        return sum(self.fit(len(orders)).seconds)

    def get_parameters(self):
        return [(self.to_host(W), self.to_host(b)) for W, b in self.network.parameters]

    def to_device(self, rows):
        return self.backend.from_host(rows, self.device)

    def predict(self, rows):
        return self.network.predict(rows)

    def predict_from_host(self, rows):
        return self.network.predict(rows)

    def to_host(self, array):
        return self.backend.to_host(array)
