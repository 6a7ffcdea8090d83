"""Where a plan's parameters lie for the kernels: ``W[1]`` in a panel for each thread, all else in one row."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet_numpy.compiled.elementwise import ACTIVATION, LOSS
from gpunet_numpy.compiled.net import Net
from gpunet_numpy.compiled.program import address, aligned
from gpunet_numpy.compiled.rules import rule_of
from gpunet_numpy.compiled.tiles import LANE


class Sizes:
    """Sizes and places of a network's parameters on some threads.

    Parameters
    ----------
    n : sequence of int
        n[0] … n[L].
    dtype : dtype
    threads : int

    Attributes
    ----------
    sizes : int64 array
        n[0] … n[L].
    at_W, at_b : int64 arrays
        Numbers before W[l] (from l = 2) and b[l] (from l = 1) in the row of all that is not W[1].
    strides : int64 array
        Numbers from one example's A[l] to the next: whole lanes in the first layer, and one more so that rows do not
        all fall into the same few sets of a cache.
    """

    def __init__(self, n: Sequence[int], dtype: Any, threads: int) -> None:
        self.threads = threads
        self.dtype = np.dtype(dtype)
        self.sizes = np.array(n)
        lanes = LANE // self.dtype.itemsize
        groups = -(-n[1] // lanes)
        edges = [min(groups * t // threads * lanes, n[1]) for t in range(threads + 1)]
        self.neurons = [slice(a, b) for a, b in itertools.pairwise(edges)]
        self.width = -(-groups // threads) * lanes
        self.panel = n[0] * self.width
        self.strides = np.array([n[0], groups * lanes + lanes, *n[2:]])
        self.at_W, self.at_b = np.zeros(len(n), np.int64), np.zeros(len(n), np.int64)
        at = n[1]
        for l in range(2, len(n)):
            self.at_W[l], self.at_b[l] = at, at + n[l] * n[l - 1]
            at += n[l] * (n[l - 1] + 1)
        self.count = at

    def net(self, codes: Any, **others: int) -> Net:
        """What a kernel is told; the caller keeps `codes` alive."""
        places = {name: address(getattr(self, name)) for name in ("sizes", "at_W", "at_b", "strides")}
        given = {"L": len(self.sizes) - 1, "codes": address(codes), **places, **others}
        return Net(**{**dict.fromkeys(Net._fields, 0), **given})

    def pack(self, kept: Sequence[Any]) -> tuple[Any, Any]:
        """Copies, ``(panels, later)``, of the parameters, and of whatever else there is one of for each of them."""
        panels = aligned(len(kept), self.threads, int(self.sizes[0]), self.width, dtype=self.dtype)
        later = aligned(len(kept), self.count, dtype=self.dtype)
        for some_panels, row, layers in zip(panels, later, kept, strict=True):
            for panel, mine in zip(some_panels, self.neurons, strict=True):
                panel[:, : mine.stop - mine.start] = layers[0][0][mine].T
            rest = [layers[0][1], *(p for pair in layers[1:] for p in pair)]
            np.concatenate([p.ravel() for p in rest], out=row)
        return panels, later

    def unpack(self, panels: Any, later: Any) -> list[list[tuple[Any, Any]]]:
        """The reverse; all but W[1] are views."""
        return [self._layers(*one) for one in zip(panels, later, strict=True)]

    def _layers(self, panels: Any, later: Any) -> list[tuple[Any, Any]]:
        n = [int(size) for size in self.sizes]
        W = np.empty((n[1], n[0]), dtype=self.dtype)
        for panel, mine in zip(panels, self.neurons, strict=True):
            W[mine] = panel[:, : mine.stop - mine.start].T
        layers = [(W, later[: n[1]].reshape(-1, 1))]
        for l in range(2, len(n)):
            at, end = int(self.at_W[l]), int(self.at_b[l])
            layers.append((later[at:end].reshape(n[l], n[l - 1]), later[end : end + n[l]].reshape(-1, 1)))
        return layers

    def activations(self, examples: int) -> tuple[list[Any], Any]:
        """Room for A[1] … A[L] of so many examples: the arrays, and their addresses from index 1 on."""
        made = [aligned(examples, int(stride), dtype=self.dtype) for stride in self.strides[1:]]
        return made, np.array([0, *(address(one) for one in made)])


class Layout(Sizes):
    """The same for a plan, with what its activations, loss and rule are called.

    Parameters
    ----------
    plan : Plan
    threads : int
    """

    def __init__(self, plan: Plan, threads: int) -> None:
        super().__init__(
            [plan.layers[0].inputs, *(layer.units for layer in plan.layers)], plan.dtype, threads
        )
        self.codes = np.array([0, *(ACTIVATION[name] for name in plan.activations)])
        self.loss = LOSS[plan.loss]
        self.rule, numbers = rule_of(plan.optimizer)
        self.numbers = np.array(numbers, dtype=plan.dtype)
        self.slots = plan.optimizer.slots
        self.one = self.dtype.type(1)

    def told(self) -> Net:
        """What a kernel is told of it."""
        return self.net(self.codes, loss=self.loss, rule=self.rule, numbers=address(self.numbers))

    def pack_all(self, parameters: Any, state: Any) -> tuple[Any, Any]:
        """``(panels, later)``: copies of the parameters, then of each of their slots."""
        slots = [[(W[i], b[i]) for W, b in state] for i in range(self.slots)]
        return self.pack([parameters, *slots])

    def unpack_all(self, panels: Any, later: Any) -> tuple[Any, Any]:
        """Parameters and state."""
        return self._with_state(self.unpack(panels, later))

    def _with_state(self, kept: Sequence[Any]) -> tuple[Any, Any]:
        parameters, *slots = kept
        state = [
            (tuple(one[l][0] for one in slots), tuple(one[l][1] for one in slots))
            for l in range(len(parameters))
        ]
        return parameters, state

    def in_a_row(self, parameters: Any, state: Any) -> Any:
        """All parameters in a row, layer by layer, W then b; then each of their slots: ``(1 + slots, count)``."""
        slots = [[(W[i], b[i]) for W, b in state] for i in range(self.slots)]
        return np.array(
            [np.concatenate([p.ravel() for pair in one for p in pair]) for one in (parameters, *slots)]
        )

    def out_of_a_row(self, theta: Any) -> tuple[Any, Any]:
        """Parameters and state, as views."""
        n, kept = [int(size) for size in self.sizes], []
        for row in theta:
            layers, at = [], 0
            for l in range(1, len(n)):
                middle, end = at + n[l] * n[l - 1], at + n[l] * (n[l - 1] + 1)
                layers.append((row[at:middle].reshape(n[l], n[l - 1]), row[middle:end].reshape(-1, 1)))
                at = end
            kept.append(layers)
        return self._with_state(kept)

    def pack_second(self, later: Any) -> Any:
        """Each thread's columns of W[2] and of its slots, ``(1 + slots, threads, n[2], width)``; None without W[2]."""
        if len(self.sizes) == 2:
            return None
        second = aligned(1 + self.slots, self.threads, int(self.sizes[2]), self.width, dtype=self.dtype)
        for panels, one in zip(second, later, strict=True):
            for panel, mine in zip(panels, self.neurons, strict=True):
                panel[:, : mine.stop - mine.start] = self._second(one)[:, mine]
        return second

    def unpack_second(self, second: Any, later: Any) -> None:
        """The reverse, in place."""
        if second is None:
            return
        for panels, one in zip(second, later, strict=True):
            for panel, mine in zip(panels, self.neurons, strict=True):
                self._second(one)[:, mine] = panel[:, : mine.stop - mine.start]

    def _second(self, later: Any) -> Any:
        """W[2] in a row of parameters, a view."""
        return later[self.at_W[2] : self.at_b[2]].reshape(self.sizes[2], self.sizes[1])
