"""Exact SGD in blocks: the same updates in the same order, at the speed of matrix products.

With one example per update, SGD looks bound by memory: each step reads and writes all of ``W[1]``. But the order of the
examples is known. For a block of examples with inputs ``X`` and the block's first weights ``W₀``, two products
are made once: ``P = W₀ X`` and the Gram matrix ``G = Xᵀ X``. Within the block ``W = w W₀ + q V₀ + Σ_i u_i δ_i x_iᵀ``
(:mod:`gpunet_numpy.plain.recurrence`), so

    W x_j = w P_j + q Q_j + Σ_{i<j} u_i δ_i G_ij,        Q = V₀ X,

which touches no weight at all. After the block, ``W ← w W₀ + q V₀ + (δ ∘ u) Xᵀ`` is one more product. Later layers
are small and are stepped as usual. The same holds for steps of a few examples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.losses import LOSSES, cost, output_delta
from gpunet.core.optimizers import GradientDescent, update_all
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.propagation import Cache, backward, forward
from gpunet.core.reference import examples
from gpunet_numpy.blas_threads import threads_for, with_blas_threads
from gpunet_numpy.plain.namespace import xp
from gpunet_numpy.plain.recurrence import Recurrence

BLOCK = 64  # examples; the correction costs about as much as it saves beyond a few hundred
LARGEST_BATCH = 16


class Blocked(Program):
    """A program for plain, momentum, Nesterov and decayed descent in small batches.

    Parameters
    ----------
    plan : Plan
    """

    name = "numpy blocked SGD"
    takes_sparse = True

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.xp = xp
        self.block_steps = max(BLOCK // plan.batch_size, 1)

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why this program can't run `plan`."""
        if type(plan.optimizer) is not GradientDescent:  # a subclass may have an update of its own
            return f"{type(plan.optimizer).__name__} is not linear in the gradient"
        if plan.optimizer.clip_norm is not None:
            return "clipping is not linear in the gradient"
        if not plan.trainable[0]:
            return "the first layer is frozen"
        if plan.penalized:
            return "an L2 penalty is not done in blocks"
        if plan.uses_dropout:
            return "dropout changes the inputs of a layer from step to step"
        if plan.batch_size > LARGEST_BATCH:
            return f"batches above {LARGEST_BATCH} are matrix products already"
        return None

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        length = self.block_steps * self.plan.batch_size
        return with_blas_threads(threads_for(self.plan, length), self._blocks, state, inputs, length)

    def _blocks(self, state: TrainState, inputs: EpochInputs, length: int) -> tuple[TrainState, Any]:
        """The epoch, in blocks of `length` examples."""
        size, used = self.plan.batch_size, inputs.examples
        if self.plan.sparse:  # a dense block is fast to multiply with itself
            inputs = inputs._replace(X=inputs.X.as_dense())
        recurrence = Recurrence(self.plan.optimizer, length // size)  # type: ignore[arg-type]
        parameters, slots, losses = list(state.parameters), list(state.slots), []
        for first in range(0, used, length):
            last = min(first + length, used)
            x, y, w = examples(self.xp, inputs, first, last)
            c = inputs.coefficients[first // size : -(-last // size)]
            losses += self._block(parameters, slots, x, y, w, c, recurrence)
        return TrainState(parameters, slots), np.asarray(losses, dtype=inputs.X.dtype)

    def _block(
        self, parameters: Any, state: Any, X: Any, Y: Any, weights: Any, c: Any, now: Recurrence
    ) -> list[Any]:
        """One block of steps; `parameters` and `state` are replaced entry by entry."""
        plan, xp, size = self.plan, self.xp, self.plan.batch_size
        (W0, b), (slots_W, slots_b) = parameters[0], state[0]
        P, G = W0 @ X, X.T @ X
        Q = slots_W[0] @ X if slots_W else None
        D = np.zeros_like(P)  # δ of the steps so far
        now.start()
        g = ACTIVATIONS[plan.activations[0]]
        losses = []
        for j, (first, last) in enumerate(plan.batches(X.shape[1])):
            s = slice(first, last)
            u = np.repeat(now.u, size)[:first, None]
            Z = now.w * P[:, s] + b + D[:, :first] @ (u * G[:first, s]).astype(P.dtype)
            if Q is not None:
                Z += now.q * Q[:, s]
            A = g.forward(xp, Z)
            w = None if weights is None else weights[:, s]
            J, D[:, s] = self._later(parameters, state, Cache(X[:, s], Z, A), Y[:, s], w, c[j])
            losses.append(J)
            db = xp.sum(D[:, s], axis=1, keepdims=True)
            b, slots_b = plan.optimizer.update(xp, b, db, slots_b, c[j])
            now.step(j, float(c[j, 0]))
        u, r = (np.repeat(v, size)[: X.shape[1]].astype(P.dtype) for v in (now.u, now.r))
        W = now.w * W0 + (D * u) @ X.T
        if slots_W:
            W += now.q * slots_W[0]
            slots_W = ((now.p * slots_W[0] + (D * r) @ X.T).astype(W.dtype),)
        parameters[0], state[0] = (W.astype(b.dtype), b), (slots_W, slots_b)
        return losses

    def _later(
        self, parameters: Any, state: Any, first: Cache, Y: Any, weights: Any, c: Any
    ) -> tuple[Any, Any]:
        """Step the layers after the first, given its cache; returns J and ``δ[1]``."""
        plan, xp = self.plan, self.xp
        A, later = forward(xp, plan.activations[1:], parameters[1:], first.A)
        caches = [first, *later]
        output = (xp, LOSSES[plan.loss], plan.activations[-1], caches[-1].Z, A, Y, weights)
        J, delta = cost(*output), output_delta(*output)
        gradients, delta = backward(
            xp, plan.activations, parameters, caches, delta, skip=1, trainable=plan.trainable
        )
        new, kept = update_all(xp, plan.optimizer, parameters[1:], gradients, state[1:], c)
        parameters[1:], state[1:] = new, kept
        return J, delta
