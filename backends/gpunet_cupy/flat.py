"""All parameters of a plan in one array: ``W[1] … W[L]``, then ``b[1] … b[L]``; the optimizer's slots likewise."""

from __future__ import annotations

from typing import Any

from gpunet.core.plan import Plan


class Flat:
    """Where each parameter lies.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.sizes = [plan.layers[0].inputs, *(layer.units for layer in plan.layers)]
        self.weights = sum(layer.units * layer.inputs for layer in plan.layers)
        self.biases = sum(layer.units for layer in plan.layers)
        self.at_W, self.at_b = [], []
        at, below = 0, self.weights
        for layer in plan.layers:
            self.at_W.append(slice(at, at := at + layer.units * layer.inputs))
            self.at_b.append(slice(below, below := below + layer.units))

    @property
    def size(self) -> int:
        """Parameters in all."""
        return self.weights + self.biases

    def pack(self, parameters: Any, state: Any) -> tuple[Any, Any]:
        """``(theta, slots)``, new arrays on the current device."""
        import cupy

        count = self.plan.optimizer.slots
        if count == 0 and (whole := self._unpacked(parameters)) is not None:
            return whole.copy(), cupy.empty((0, self.size), dtype=self.plan.dtype)
        theta = cupy.empty(self.size, dtype=self.plan.dtype)
        slots = cupy.empty((count, self.size), dtype=self.plan.dtype)
        for at_W, at_b, (W, b), (slots_W, slots_b) in zip(
            self.at_W, self.at_b, parameters, state, strict=True
        ):
            theta[at_W], theta[at_b] = W.ravel(), b.ravel()
            for i in range(count):
                slots[i, at_W], slots[i, at_b] = slots_W[i].ravel(), slots_b[i].ravel()
        return theta, slots

    def _unpacked(self, parameters: Any) -> Any:
        """The array that `parameters` are views of, if it is one as `unpack` takes it: one copy is then enough."""
        theta = parameters[0][0].base
        if theta is None or theta.shape != (self.size,) or theta.dtype != self.plan.dtype:
            return None
        start, width = theta.data.ptr, theta.itemsize
        for at_W, at_b, (W, b) in zip(self.at_W, self.at_b, parameters, strict=True):
            if not (W.flags.c_contiguous and W.data.ptr - start == at_W.start * width):
                return None
            if b.data.ptr - start != at_b.start * width:
                return None
        return theta

    def matrices(self, theta: Any) -> list[Any]:
        """Each W, a view of `theta`."""
        return [
            theta[at].reshape(layer.units, layer.inputs)
            for at, layer in zip(self.at_W, self.plan.layers, strict=True)
        ]

    def vectors(self, theta: Any) -> list[Any]:
        """Each b, ``(n, 1)``, a view of `theta`."""
        return [theta[at].reshape(-1, 1) for at in self.at_b]

    def unpack(self, theta: Any, slots: Any) -> tuple[Any, Any]:
        """Parameters and state, views of ``(theta, slots)``."""
        parameters = list(zip(self.matrices(theta), self.vectors(theta), strict=True))
        kept = [(self.matrices(one), self.vectors(one)) for one in slots]
        state = [
            (tuple(Ws[l] for Ws, _ in kept), tuple(bs[l] for _, bs in kept)) for l in range(len(parameters))
        ]
        return parameters, state
