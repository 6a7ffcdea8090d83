"""The layout of a network's parameters for the kernels: ``W[1]`` in a panel for each thread, all else in one row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.plan import Plan
from gpunet_numpy.compiled.codes import ACTIVATION, LOSS, SELF_GATED
from gpunet_numpy.compiled.sizes import CACHE_LINE

# Features whose weights are transposed at a time: so that those of all neurons stay in cache, one way and the other.
TRANSPOSED, GATHERED = 1024, 32


class Network(NamedTuple):
    """A network as kernels see it: int64 arrays with an entry for each layer from 0 on, and codes."""

    L: int
    loss: int
    sizes: Any  # n[0] … n[L]
    activations: Any
    at_W: Any  # where W[l] begins in a row of parameters
    at_b: Any  # and b[l]
    at_A: Any  # where A[l] begins in a buffer of activations, and δ[l] in one of errors
    strides: Any  # from one example's A[l] to the next


class Layout:
    """Sizes and places of a network's parameters on some threads.

    Parameters
    ----------
    sizes : sequence of int
        n[0] … n[L].
    activations : sequence of str
    dtype : dtype
    threads : int
    loss : str

    Attributes
    ----------
    at_W, at_b : int64 arrays
        Where W[l] (from l = 2) and b[l] (from l = 1) begin in the row of all that is not W[1].
    strides : int64 array
        From one example's A[l] to the next: whole cache lines in the first layer, and one more so that rows do not
        all fall into the same few sets of a cache.
    """

    def __init__(
        self, sizes: Sequence[int], activations: Sequence[str], dtype: Any, threads: int, loss: str = ""
    ) -> None:
        n = list(sizes)
        self.threads = threads
        self.dtype = np.dtype(dtype)
        self.sizes = np.array(n)
        self.activations = np.array([0, *(ACTIVATION[name] for name in activations)])
        self.self_gated = bool((self.activations >= SELF_GATED).any())
        self.loss = LOSS.get(loss, 0)
        lanes = CACHE_LINE // self.dtype.itemsize
        lines = -(-n[1] // lanes)
        edges = [min(lines * t // threads * lanes, n[1]) for t in range(threads + 1)]
        self.neurons = [slice(a, b) for a, b in itertools.pairwise(edges)]
        self.width = -(-lines // threads) * lanes
        self.strides = np.array([n[0], (lines + (lines > 1)) * lanes, *n[2:]])
        self.at_W, self.at_b = np.zeros(len(n), np.int64), np.zeros(len(n), np.int64)
        at = n[1]
        for l in range(2, len(n)):
            self.at_W[l], self.at_b[l] = at, at + n[l] * n[l - 1]
            at += n[l] * (n[l - 1] + 1)
        self.count = at

    @classmethod
    def of(cls, plan: Plan, threads: int) -> Layout:
        """The layout of a plan's network."""
        return cls(plan.sizes, [str(name) for name in plan.activations], plan.dtype, threads, str(plan.loss))

    def at_A(self, examples: int, first: int = 1) -> tuple[Any, int]:
        """Where A[l] begins in a buffer for so many examples, from layer `first` on, and the buffer's size."""
        lanes = CACHE_LINE // self.dtype.itemsize
        places, at = np.zeros(len(self.sizes), np.int64), 0
        for l in range(first, len(self.sizes)):
            places[l] = at
            at += -(-examples * int(self.strides[l]) // lanes) * lanes
        return places, at + lanes

    def tiles_across(self, threads: int) -> Any:
        """Into how many tiles side by side each W is divided among threads; int64, with an entry for each layer.

        Such that each thread reads as few numbers as can be: for r × c weights, r + c of each example. W[1] lies
        feature by feature in memory, all others neuron by neuron.
        """
        lanes = CACHE_LINE // self.dtype.itemsize
        across = np.ones(len(self.sizes), np.int64)
        ways = [k for k in range(1, threads + 1) if threads % k == 0]
        for l in range(1, len(self.sizes)):
            inputs, units = int(self.sizes[l - 1]), int(self.sizes[l])
            rows, columns = (inputs, units) if l == 1 else (units, inputs)
            lines = -(-columns // lanes)
            across[l] = min(ways, key=lambda k: -(-rows * k // threads) + -(-lines // k) * lanes)
        return across

    def network(self, **others: Any) -> Network:
        """What a kernel sees, with `others` in place of the layout's own."""
        given = {name: getattr(self, name) for name in Network._fields if name not in ("L", "at_A")}
        return Network(**{"L": len(self.sizes) - 1, "at_A": self.at_W, **given, **others})

    def pack(self, *kinds: Any, zeros: Any = np.zeros) -> tuple[Any, Any]:
        """Copies ``(panels, later)`` of parameters, and of their slots: ``(kinds, …)``; `zeros` makes the panels."""
        shape = len(kinds), self.threads, int(self.sizes[0]), self.width
        panels = aligned(*shape, dtype=self.dtype, make=zeros)
        for some_panels, layers in zip(panels, kinds, strict=True):
            if not layers[0][0].any():
                continue  # an optimizer's first slots: memory that is 0 is not written to
            for panel, owned in zip(some_panels, self.neurons, strict=True):
                count = owned.stop - owned.start
                for first in range(0, len(panel), TRANSPOSED):
                    some = slice(first, first + TRANSPOSED)
                    panel[some, :count] = layers[0][0][owned, some].T
        return panels, self.pack_later(*kinds)

    def pack_later(self, *kinds: Any) -> Any:
        """A copy of all but W[1]."""
        later = aligned(len(kinds), self.count, dtype=self.dtype)
        for row, layers in zip(later, kinds, strict=True):
            rest = [layers[0][1], *(p for pair in layers[1:] for p in pair)]
            np.concatenate([p.ravel() for p in rest], out=row)
        return later

    def unpack(self, panels: Any, later: Any) -> list[list[tuple[Any, Any]]]:
        """The reverse; all but W[1] are views."""
        return self.with_later([self._first(one) for one in panels], later)

    def with_later(self, first: Sequence[Any], later: Any) -> list[list[tuple[Any, Any]]]:
        """W[1] of each kind with all else, as views."""
        return [self._layers(W, row) for W, row in zip(first, later, strict=True)]

    def unpack_views(self, panels: Any, later: Any) -> list[list[tuple[Any, Any]]]:
        """The reverse where there is one panel; W[1] is a view too, and feature by feature in memory."""
        return [
            self._layers(one[0, :, : self.sizes[1]].T, row) for one, row in zip(panels, later, strict=True)
        ]

    def panels_of(self, kinds: Sequence[Any]) -> Any | None:
        """The panels, ``(kinds, 1, n[0], width)``, of which every W[1] is a view by :meth:`unpack_views`, or None."""
        weights = [layers[0][0] for layers in kinds]
        base, size = weights[0].base, int(self.sizes[0]) * self.width
        if not isinstance(base, np.ndarray) or base.ndim != 1 or base.strides != (self.dtype.itemsize,):
            return None
        at = (weights[0].ctypes.data - base.ctypes.data) // base.itemsize
        panels = base[at : at + size * len(kinds)]
        if panels.size < size * len(kinds) or base.dtype != self.dtype:
            return None
        panels = panels.reshape(len(kinds), 1, -1, self.width)
        views = [panel[0, :, : self.sizes[1]].T for panel in panels]
        return panels if all(map(_are_one, weights, views)) else None

    def _first(self, panels: Any) -> Any:
        """A copy of W[1]."""
        W = np.empty((self.sizes[1], self.sizes[0]), dtype=self.dtype)
        for panel, owned in zip(panels, self.neurons, strict=True):
            for first in range(0, len(panel), GATHERED):
                some = slice(first, first + GATHERED)
                W[owned, some] = panel[some, : owned.stop - owned.start].T
        return W

    def _layers(self, W: Any, later: Any) -> list[tuple[Any, Any]]:
        n = [int(size) for size in self.sizes]
        layers = [(W, later[: n[1]].reshape(-1, 1))]
        for l in range(2, len(n)):
            at, end = int(self.at_W[l]), int(self.at_b[l])
            layers.append((later[at:end].reshape(n[l], n[l - 1]), later[end : end + n[l]].reshape(-1, 1)))
        return layers

    def pack_second(self, later: Any) -> Any:
        """Each thread's columns of W[2] and of its slots, ``(kinds, threads, n[2], width)``; empty without W[2]."""
        rows = int(self.sizes[2]) if len(self.sizes) > 2 else 0
        second = aligned(len(later), self.threads, rows, self.width, dtype=self.dtype)
        if rows:
            for panels, one in zip(second, later, strict=True):
                for panel, owned in zip(panels, self.neurons, strict=True):
                    panel[:, : owned.stop - owned.start] = self._second(one)[:, owned]
        return second

    def unpack_second(self, second: Any, later: Any) -> None:
        """The reverse, in place."""
        if second.shape[2]:
            for panels, one in zip(second, later, strict=True):
                for panel, owned in zip(panels, self.neurons, strict=True):
                    self._second(one)[:, owned] = panel[:, : owned.stop - owned.start]

    def _second(self, later: Any) -> Any:
        """W[2] in a row of parameters, a view."""
        return later[self.at_W[2] : self.at_b[2]].reshape(self.sizes[2], self.sizes[1])


def _are_one(x: Any, y: Any) -> bool:
    """Whether two arrays are the same numbers in memory."""
    return all(getattr(x, name) == getattr(y, name) for name in ("dtype", "shape", "strides")) and bool(
        x.ctypes.data == y.ctypes.data
    )


def by_kind(state: Any) -> list[Any]:
    """A train state as a list of layers' ``(W, b)`` for the parameters, then for each of their slots."""
    parameters, slots = state
    count = len(slots[0][0])
    return [parameters, *([(W[i], b[i]) for W, b in slots] for i in range(count))]


def by_layer(kinds: Sequence[Any]) -> tuple[Any, Any]:
    """The reverse: parameters and slots."""
    parameters, *slots = kinds
    return parameters, [
        (tuple(one[l][0] for one in slots), tuple(one[l][1] for one in slots)) for l in range(len(parameters))
    ]


def aligned(*shape: int, dtype: Any, make: Any = np.zeros) -> Any:
    """An array that begins at a whole cache line: zeros, or what else `make` makes."""
    item = np.dtype(dtype).itemsize
    count = math.prod(shape)
    room = make(count + CACHE_LINE // item, dtype=dtype)
    first = -room.ctypes.data % CACHE_LINE // item
    return room[first : first + count].reshape(shape)
