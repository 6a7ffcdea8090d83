"""thinc: a chain of layers, ``begin_update`` and ``finish_update``."""

from __future__ import annotations

from thinc.api import SGD, Adam, Linear, Relu, Sigmoid, Softmax, chain

from benchmarks.errors import Unsupported
from benchmarks.peers.base import BaseImplementation

LAYER = {"sigmoid": Sigmoid, "relu": Relu, "softmax": Softmax}


class Implementation(BaseImplementation):
    def reset(self):
        if self.case.optimizer == "momentum":
            raise Unsupported("thinc has no momentum")
        sizes = self.architecture.sizes
        layers = [
            LAYER[name](nO=sizes[l + 1], nI=sizes[l])
            for l, name in enumerate(self.architecture.activations[:-1])
        ]
        last = Softmax if self.architecture.loss == "cross_entropy" else Linear
        layers.append(last(nO=sizes[-1], nI=sizes[-2]))
        self.model = chain(*layers) if len(layers) > 1 else layers[0]
        self.model.initialize()
        for layer, (W, b) in zip(layers, self.architecture.initial_parameters(), strict=True):
            layer.set_param("W", W)
            layer.set_param("b", b[:, 0].copy())
        self.layers = layers
        rate = self.case.learning_rate
        self.optimizer = (
            Adam(rate, L2=0, grad_clip=0) if self.case.optimizer == "adam" else SGD(rate, grad_clip=0)
        )

    def step(self, X, Y):
        A, backward = self.model.begin_update(X)
        if self.architecture.loss == "logistic":
            A = self.model.ops.sigmoid(A)
        backward((A - Y) / len(Y))
        self.model.finish_update(self.optimizer)
        self.optimizer.step_schedules()

    def train_epoch(self, order):
        if order is None:
            self.step(self.data.X, self.data.Y)
            return
        for first, last in self.case.batch_bounds(len(order)):
            batch = order[first:last]
            self.step(self.data.X[batch], self.data.Y[batch])

    def get_parameters(self):
        return [(layer.get_param("W"), layer.get_param("b")[:, None]) for layer in self.layers]
