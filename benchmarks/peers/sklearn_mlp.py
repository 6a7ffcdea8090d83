"""scikit-learn's MLPClassifier: one ``partial_fit`` an epoch, which makes the batches itself."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import Peer


class Contender(Peer):
    def prepare(self):
        Y = self.data.Y
        self.y = Y.argmax(1) if self.net.loss == "cross_entropy" else Y[:, 0].astype(int)

    def reset(self):
        case = self.case
        momentum = MOMENTUM if case.optimizer == "momentum" else 0.0
        self.model = MLPClassifier(
            self.net.sizes[1:-1],
            {"sigmoid": "logistic", "relu": "relu"}.get(self.net.activations[0]),
            solver="adam" if case.optimizer == "adam" else "sgd",
            alpha=0.0,
            batch_size=1,
            learning_rate_init=case.learning_rate * (1 - momentum),  # its velocity lacks the (1 − β)
            momentum=momentum,
            nesterovs_momentum=False,
            shuffle=False,
        )
        classes = np.unique(self.y)
        self.model.partial_fit(self.data.X[:1], self.y[:1], classes=classes)  # makes the weights
        start = self.net.start()
        self.model.coefs_ = [np.ascontiguousarray(W.T) for W, _ in start]
        self.model.intercepts_ = [b[:, 0].copy() for _, b in start]
        del self.model._optimizer

    def epoch(self, order):
        X, y = (self.data.X, self.y) if order is None else (self.data.X[order], self.y[order])
        self.model.batch_size = min(self.case.size, len(X))
        self.model.partial_fit(X, y)

    def weights(self):
        return [(W.T, b[:, None]) for W, b in zip(self.model.coefs_, self.model.intercepts_, strict=True)]
