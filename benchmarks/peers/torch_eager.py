"""PyTorch as its users write it: a Sequential, a fused optimizer, batches gathered by index."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.cases import MOMENTUM
from benchmarks.peers.base import BaseImplementation

ACTIVATION = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}


class Implementation(BaseImplementation):
    def prepare(self):
        torch.set_num_threads(self.settings.threads)
        torch.set_float32_matmul_precision("high" if self.case.precision == "tf32" else "highest")
        self.X, self.Y = self.to_device(self.data.X), self.to_device(self.data.Y)
        if self.architecture.loss == "cross_entropy":
            self.Y, self.loss = self.Y.argmax(1), nn.CrossEntropyLoss()
        else:
            self.loss = nn.BCEWithLogitsLoss()

    def reset(self):
        sizes, layers = self.architecture.sizes, []
        for l, name in enumerate(self.architecture.activations):
            layers += [nn.Linear(sizes[l], sizes[l + 1]), ACTIVATION.get(name, nn.Identity)()]
        self.model = nn.Sequential(*layers[:-1]).to(self.settings.device)  # the loss takes logits
        with torch.no_grad():
            linear = [layer for layer in self.model if isinstance(layer, nn.Linear)]
            for layer, (W, b) in zip(linear, self.architecture.initial_parameters(), strict=True):
                layer.weight.copy_(torch.from_numpy(W))
                layer.bias.copy_(torch.from_numpy(b[:, 0]))
        self.optimizer = self.make_optimizer()

    def make_optimizer(self):
        parameters, rate = self.model.parameters(), self.case.learning_rate
        if self.case.optimizer == "adam":
            return torch.optim.Adam(parameters, rate, fused=True)
        if self.case.optimizer == "momentum":  # PyTorch's velocity has no factor (1 − β)
            return torch.optim.SGD(parameters, rate * (1 - MOMENTUM), momentum=MOMENTUM, fused=True)
        return torch.optim.SGD(parameters, rate, fused=True)

    def step(self, X, Y):
        bfloat16 = self.case.precision == "bfloat16"
        with torch.autocast(self.settings.device, torch.bfloat16, enabled=bfloat16, cache_enabled=False):
            loss = self.loss(self.model(X), Y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def train_epoch(self, order):
        if order is None:
            self.step(self.X, self.Y)
        else:
            order = torch.from_numpy(order).to(self.settings.device)
            for first, last in self.case.batch_bounds(len(order)):
                batch = order[first:last]
                self.step(self.X[batch], self.Y[batch])
        self.synchronize()

    def synchronize(self):
        if self.settings.device != "cpu":
            torch.cuda.synchronize()

    def get_parameters(self):
        parameters = [p.detach().cpu().numpy() for p in self.model.parameters()]
        return [(W, b[:, None]) for W, b in zip(parameters[::2], parameters[1::2], strict=True)]

    def to_device(self, rows):
        return torch.from_numpy(np.ascontiguousarray(rows)).to(self.settings.device)

    def to_host(self, array):
        return array.cpu().numpy()

    def outputs(self, rows):
        Z = self.model(rows)
        return Z.softmax(1) if self.architecture.loss == "cross_entropy" else Z.sigmoid()

    def predict(self, rows):
        with torch.inference_mode():
            A = self.outputs(rows)
        self.synchronize()
        return A
