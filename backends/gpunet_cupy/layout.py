"""The parameter layout: all parameters of a plan in one array, as the kernels read them."""

from __future__ import annotations

from typing import Any

from gpunet.core.plan import Plan
from gpunet.core.program import TrainState
from gpunet.core.propagation import Parameters


class ParameterLayout:
    """Positions of ``W[1] … W[L]``, then ``b[1] … b[L]``, in an array `theta`; the optimizer's slots likewise.

    Parameters
    ----------
    plan : Plan

    Attributes
    ----------
    sizes : list of int
        ``n[0] … n[L]``.
    weights, biases : int
        How many there are in all.
    at_W, at_b : list of slice
        Position of each W and b.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.sizes = list(plan.sizes)
        self.weights = plan.weights
        self.biases = sum(layer.units for layer in plan.layers)
        self.at_W, self.at_b = [], []
        at, bias_at = 0, self.weights
        for layer in plan.layers:
            self.at_W.append(slice(at, at := at + layer.weights))
            self.at_b.append(slice(bias_at, bias_at := bias_at + layer.units))

    @property
    def size(self) -> int:
        """Parameters in all."""
        return self.weights + self.biases

    def pack(self, state: TrainState, theta: Any = None, slots: Any = None) -> tuple[Any, Any]:
        """``(theta, slots)``, slots ``(count, size)``: the arrays given, or new ones on the current device."""
        import cupy

        count = self.plan.optimizer.slots
        if theta is None:
            theta = cupy.empty(self.size, dtype=self.plan.dtype)
            slots = cupy.empty((count, self.size), dtype=self.plan.dtype)
        packed = self.packed(state)
        if packed is not None:
            theta[...] = packed[0]
            if count:
                slots[...] = packed[1]
            return theta, slots
        for at_W, at_b, (W, b), (slots_W, slots_b) in zip(
            self.at_W, self.at_b, state.parameters, state.slots, strict=True
        ):
            theta[at_W], theta[at_b] = W.ravel(), b.ravel()
            for i in range(count):
                slots[i, at_W], slots[i, at_b] = slots_W[i].ravel(), slots_b[i].ravel()
        return theta, slots

    def packed(self, state: TrainState) -> tuple[Any, Any] | None:
        """The ``(theta, slots)`` that a state's arrays are views of, as `unpack` returns them; None if there are none.

        Then a copy of each packs them. `slots` is None for an optimizer without any.
        """
        theta = state.parameters[0][0].base
        if not self._lies_in(theta, (self.size,), 0, state.parameters):
            return None
        count = self.plan.optimizer.slots
        if count == 0:
            return theta, None
        slots = state.slots[0][0][0].base
        for i in range(count):
            pairs = [(of_W[i], of_b[i]) for of_W, of_b in state.slots]
            if not self._lies_in(slots, (count, self.size), i * self.size, pairs):
                return None
        return theta, slots

    def _lies_in(self, base: Any, shape: tuple[int, ...], first: int, pairs: Parameters) -> bool:
        """Whether `base` has this shape, and arrays shaped as ``(W, b)`` are views of it from value `first` on."""
        if base is None or base.shape != shape or base.dtype != self.plan.dtype:
            return False
        start = base.data.ptr + first * base.itemsize
        return all(
            one.flags.c_contiguous and one.data.ptr - start == at.start * base.itemsize
            for ats, pair in zip(zip(self.at_W, self.at_b, strict=True), pairs, strict=True)
            for at, one in zip(ats, pair, strict=True)
        )

    def matrices(self, theta: Any) -> list[Any]:
        """Each W, a view of `theta`."""
        return [
            theta[at].reshape(layer.units, layer.inputs)
            for at, layer in zip(self.at_W, self.plan.layers, strict=True)
        ]

    def vectors(self, theta: Any) -> list[Any]:
        """Each b, ``(n, 1)``, a view of `theta`."""
        return [theta[at].reshape(-1, 1) for at in self.at_b]

    def unpack(self, theta: Any, slots: Any) -> TrainState:
        """The train state whose arrays are views of ``(theta, slots)``."""
        parameters = list(zip(self.matrices(theta), self.vectors(theta), strict=True))
        unpacked = [(self.matrices(one), self.vectors(one)) for one in slots]
        slots_of_layers = [
            (tuple(Ws[l] for Ws, _ in unpacked), tuple(bs[l] for _, bs in unpacked))
            for l in range(len(parameters))
        ]
        return TrainState(parameters, slots_of_layers)
