"""PyTorch with several whole steps (gather, forward, backward, update) captured in one CUDA graph."""

from __future__ import annotations

import torch

from benchmarks.cases import MOMENTUM
from benchmarks.peers import torch_eager

STEPS_PER_GRAPH = 16


class Implementation(torch_eager.Implementation):
    def prepare(self):
        super().prepare()
        self.order = torch.zeros(self.case.examples, dtype=torch.int64, device=self.settings.device)
        self.position = torch.zeros((), dtype=torch.int64, device=self.settings.device)
        self.offsets = torch.arange(self.case.batch_size, device=self.settings.device)

    def reset(self):
        super().reset()
        start = [p.detach().clone() for p in self.model.parameters()]
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):  # libraries must allocate their workspaces before a capture
            for _ in range(3):
                self.next_step()
        torch.cuda.synchronize()
        self.graphs = {steps: self.captured(steps) for steps in {1, min(STEPS_PER_GRAPH, self.steps)}}
        with torch.no_grad():
            for p, first in zip(self.model.parameters(), start, strict=True):
                p.copy_(first)
            for state in self.optimizer.state.values():
                for slot in state.values():
                    if slot is not None:
                        slot.zero_()

    @property
    def steps(self):
        return 1 if self.case.batch is None else self.case.examples // self.case.batch_size

    def make_optimizer(self):
        parameters, rate = self.model.parameters(), self.case.learning_rate
        if self.case.optimizer == "adam":
            return torch.optim.Adam(parameters, rate, fused=True, capturable=True)
        if self.case.optimizer == "momentum":
            return torch.optim.SGD(parameters, rate * (1 - MOMENTUM), momentum=MOMENTUM, fused=True)
        return torch.optim.SGD(parameters, rate, fused=True)

    def next_step(self):
        if self.case.batch is None:
            self.step(self.X, self.Y)
            return
        batch = self.order[self.position + self.offsets]
        self.step(self.X[batch], self.Y[batch])
        self.position += self.case.batch_size

    def captured(self, steps):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(steps):
                self.next_step()
        return graph

    def train_epoch(self, order):
        steps = 1
        if order is not None:
            self.order[: len(order)].copy_(torch.from_numpy(order))
            self.position.zero_()
            steps = len(order) // self.case.batch_size
        many = max(self.graphs)
        for _ in range(steps // many):
            self.graphs[many].replay()
        for _ in range(steps % many):
            self.graphs[1].replay()
        if order is not None and steps * self.case.batch_size < len(order):
            batch = self.order[steps * self.case.batch_size : len(order)]
            self.step(self.X[batch], self.Y[batch])
        self.synchronize()
