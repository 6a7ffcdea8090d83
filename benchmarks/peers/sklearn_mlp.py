"""scikit-learn's MLPClassifier: one ``partial_fit`` per epoch, which forms the batches itself."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import BaseImplementation


class Implementation(BaseImplementation):
    def prepare(self):
        Y = self.data.Y
        self.y = Y.argmax(1) if self.architecture.loss == "cross_entropy" else Y[:, 0].astype(int)

    def reset(self):
        case = self.case
        momentum = MOMENTUM if case.optimizer == "momentum" else 0.0
        self.model = MLPClassifier(
            self.architecture.sizes[1:-1],
            {"sigmoid": "logistic", "relu": "relu"}.get(self.architecture.activations[0]),
            solver="adam" if case.optimizer == "adam" else "sgd",
            alpha=0.0,
            batch_size=1,
            learning_rate_init=case.learning_rate * (1 - momentum),  # its velocity has no factor (1 − β)
            momentum=momentum,
            nesterovs_momentum=False,
            shuffle=False,
        )
        classes = np.unique(self.y)
        self.model.partial_fit(
            self.data.X[:1], self.y[:1], classes=classes
        )  # creates the weights, which are then replaced
        start = self.architecture.initial_parameters()
        self.model.coefs_ = [np.ascontiguousarray(W.T) for W, _ in start]
        self.model.intercepts_ = [b[:, 0].copy() for _, b in start]
        del self.model._optimizer

    def train_epoch(self, order):
        X, y = (self.data.X, self.y) if order is None else (self.data.X[order], self.y[order])
        self.model.batch_size = min(self.case.batch_size, len(X))
        self.model.partial_fit(X, y)

    def get_parameters(self):
        return [(W.T, b[:, None]) for W, b in zip(self.model.coefs_, self.model.intercepts_, strict=True)]
