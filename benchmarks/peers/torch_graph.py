"""PyTorch with CUDA graphs: of several whole steps (gather, forward, backward, update), and of the forward pass."""

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
        self.forward_graph = None  # it has the old model's parameters
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

    def predict(self, rows):
        """Rows of one shape, copied to where the graph reads them."""
        if self.forward_graph is None:
            self.rows = torch.zeros_like(rows)
            self.forward_graph, self.result = captured(lambda: self.outputs(self.rows))
        self.rows.copy_(rows)
        self.forward_graph.replay()
        self.synchronize()
        return self.result

    def predict_from_host(self, rows):
        """The same with the copies between pinned memory and the device in the graph."""
        if self.forward_graph is None:
            self.pinned = torch.zeros(rows.shape).pin_memory()
            self.rows = torch.zeros(rows.shape, device=self.settings.device)
            self.pinned_result = torch.zeros(len(rows), self.architecture.sizes[-1]).pin_memory()
            self.forward_graph, _ = captured(self.outputs_of_pinned)
        self.pinned.copy_(torch.from_numpy(rows))
        self.forward_graph.replay()
        self.synchronize()
        return self.pinned_result.numpy().copy()

    def outputs_of_pinned(self):
        self.rows.copy_(self.pinned, non_blocking=True)
        self.pinned_result.copy_(self.outputs(self.rows), non_blocking=True)


def captured(function):
    """A CUDA graph of what `function` does without gradients, and what it returned."""
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    with torch.inference_mode():
        with torch.cuda.stream(stream):  # libraries must allocate their workspaces before a capture
            for _ in range(3):
                function()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            result = function()
    return graph, result
