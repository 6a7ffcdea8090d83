"""gpunet as people call it: ``Network.fit`` and ``Network.predict``."""

from __future__ import annotations

import gpunet as gn
from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import Peer


class Contender(Peer):
    whole_epochs = True

    def prepare(self):
        name, _, device = self.backend.partition(":")
        home = gn.get_backend(name)
        self.send = lambda rows: home.from_host(rows, device or home.devices()[0])
        self.to_host = home.to_host
        self.X, self.Y = self.send(self.data.X), self.send(self.data.Y)
        rate = self.case.learning_rate
        self.optimizer = {
            "plain": gn.GradientDescent(rate),
            "momentum": gn.GradientDescent(rate, momentum=MOMENTUM),
            "adam": gn.Adam(rate),
        }[self.case.optimizer]

    def reset(self):
        layers = [gn.Dense(n, g) for n, g in zip(self.net.sizes[1:], self.net.activations, strict=True)]
        inputs = self.net.sizes[0]
        self.network = gn.Network(layers, self.net.loss, inputs=inputs, seed=0, backend=self.backend)
        self.network.set_parameters(self.net.start())

    def fit(self, epochs):
        history = self.network.fit(
            self.X,
            self.Y,
            optimizer=self.optimizer,
            epochs=epochs,
            batch_size=self.case.batch,
            shuffle=self.case.batch is not None,
        )
        self.program = history.program
        return history

    def epoch(self, order):
        self.fit(1)

    def turn(self, orders):
        """Training alone, as `history` has it: the peers' data are checked and their orders drawn beforehand too."""
        return sum(self.fit(len(orders)).seconds)

    def weights(self):
        return [(self.to_host(W), self.to_host(b)) for W, b in self.network.parameters]

    def resident(self, rows):
        return self.send(rows)

    def host(self, array):
        return self.to_host(array)

    def predict(self, rows):
        return self.network.predict(rows)
