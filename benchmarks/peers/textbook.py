"""Training in NumPy as a textbook writes it: columns as examples, one line per equation."""

from __future__ import annotations

import numpy as np

from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import BaseImplementation


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def softmax(Z):
    e = np.exp(Z - Z.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


def relu(Z):
    return np.maximum(Z, 0)


ACTIVATION = {"sigmoid": sigmoid, "softmax": softmax, "relu": relu}
DERIVATIVE = {"sigmoid": lambda A: A * (1 - A), "relu": lambda A: A > 0}


class Implementation(BaseImplementation):
    def reset(self):
        self.parameters = [p for layer in self.architecture.initial_parameters() for p in layer]
        self.v = [np.zeros_like(p) for p in self.parameters]
        self.s = [np.zeros_like(p) for p in self.parameters]
        self.t = 0

    def forward(self, A):
        outputs = [A]
        for l, name in enumerate(self.architecture.activations):
            W, b = self.parameters[2 * l : 2 * l + 2]
            A = ACTIVATION[name](W @ A + b)
            outputs.append(A)
        return outputs

    def cost(self, A, Y):
        if self.architecture.loss == "cross_entropy":
            return -np.sum(Y * np.log(A + 1e-7)) / Y.shape[1]
        return -np.sum(Y * np.log(A + 1e-7) + (1 - Y) * np.log(1 - A + 1e-7)) / Y.shape[1]

    def step(self, X, Y):
        m = X.shape[1]
        A = self.forward(X)
        J = self.cost(A[-1], Y)
        dZ = A[-1] - Y
        gradients = []
        for l in reversed(range(len(A) - 1)):
            gradients = [dZ @ A[l].T / m, dZ.sum(axis=1, keepdims=True) / m, *gradients]
            if l:
                dZ = (self.parameters[2 * l].T @ dZ) * DERIVATIVE[self.architecture.activations[l - 1]](A[l])
        self.update(gradients)
        return J

    def update(self, gradients):
        rate = self.case.learning_rate
        self.t += 1
        for i, g in enumerate(gradients):
            if self.case.optimizer == "plain":
                self.parameters[i] -= rate * g
            elif self.case.optimizer == "momentum":
                self.v[i] = MOMENTUM * self.v[i] + (1 - MOMENTUM) * g
                self.parameters[i] -= rate * self.v[i]
            else:
                self.v[i] = 0.9 * self.v[i] + 0.1 * g
                self.s[i] = 0.999 * self.s[i] + 0.001 * g**2
                v, s = self.v[i] / (1 - 0.9**self.t), self.s[i] / (1 - 0.999**self.t)
                self.parameters[i] -= rate * v / (np.sqrt(s) + 1e-8)

    def train_epoch(self, order):
        X, Y = self.data.X, self.data.Y
        if order is None:
            self.step(X.T, Y.T)
            return
        for first, last in self.case.batch_bounds(len(order)):
            batch = order[first:last]
            self.step(X[batch].T, Y[batch].T)

    def get_parameters(self):
        return list(zip(self.parameters[::2], self.parameters[1::2], strict=True))

    def predict(self, rows):
        return self.forward(rows.T)[-1].T
