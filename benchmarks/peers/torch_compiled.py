"""torch.compile on the whole step: forward, backward and update in one compiled graph."""

from __future__ import annotations

import torch
from torch.func import functional_call, grad

from benchmarks.cases import MOMENTUM
from benchmarks.errors import Unsupported
from benchmarks.peers import torch_eager


class Implementation(torch_eager.Implementation):
    def prepare(self):
        measured_on_gpu = ("shallow", 32, "plain"), ("shallow", 1000, "plain")
        if (
            self.settings.device == "cuda"
            and (self.case.net, self.case.batch, self.case.optimizer) not in measured_on_gpu
        ):
            raise Unsupported("compiling takes too long to do it for every case")
        super().prepare()
        torch.compiler.reset()
        self.compiled = torch.compile(self.update, dynamic=False)

    def reset(self):
        super().reset()
        self.names = [name for name, _ in self.model.named_parameters()]
        self.parameters = [p.detach().clone() for p in self.model.parameters()]
        slots = {"plain": 0, "momentum": 1, "adam": 2}[self.case.optimizer]
        self.state = [[torch.zeros_like(p) for p in self.parameters] for _ in range(slots)]
        self.t = torch.zeros((), device=self.settings.device)  # as a number it would be compiled in

    def make_optimizer(self):
        return None

    def cost(self, parameters, X, Y):
        named = dict(zip(self.names, parameters, strict=True))
        return self.loss(functional_call(self.model, named, (X,)), Y)

    def update(self, parameters, state, t, X, Y):
        gradients = grad(self.cost)(parameters, X, Y)
        rate = self.case.learning_rate
        t += 1
        for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            if self.case.optimizer == "plain":
                p.sub_(rate * g)
            elif self.case.optimizer == "momentum":
                p.sub_(rate * state[0][i].lerp_(g, 1 - MOMENTUM))
            else:
                v = state[0][i].lerp_(g, 0.1)
                s = state[1][i].mul_(0.999).add_(0.001 * g * g)
                p.sub_(rate * (v / (1 - 0.9**t)) / ((s / (1 - 0.999**t)).sqrt() + 1e-8))

    def step(self, X, Y):
        run = self.compiled if len(X) == self.case.batch_size else self.update  # shorter: the last batch
        with torch.no_grad():
            run(self.parameters, self.state, self.t, X, Y)

    def get_parameters(self):
        parameters = [p.cpu().numpy() for p in self.parameters]
        return [(W, b[:, None]) for W, b in zip(parameters[::2], parameters[1::2], strict=True)]
