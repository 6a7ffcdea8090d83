"""The run itself: epochs of a program, and what happens between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet.backend import Backend
from gpunet.descent import Program, Reference
from gpunet.errors import Diverged, OutOfMemory
from gpunet.history import History
from gpunet.plan import Plan

Array = Any

# Longest part of an epoch, in examples, that runs between two looks at the progress bar.
PART = 500_000


class Data(NamedTuple):
    """A training set as columns on its device."""

    X: Array
    Y: Array
    weights: Array | None


class Course(NamedTuple):
    """What is drawn and counted on the host for one epoch: order, coefficients and dropout keys."""

    order: Any
    coefficients: Any
    keys: Any


class Weights(NamedTuple):
    """Where training stands."""

    parameters: Sequence[tuple[Array, Array]]
    state: Sequence[tuple[tuple[Array, ...], tuple[Array, ...]]]


class Run:
    """One call of ``fit``, with everything checked and in place.

    Parameters
    ----------
    plan : Plan
    backend : Backend
    device : str
    data : Data
    seed : int
        Of the network: order and dropout of an epoch depend on it and on the epoch's number alone.
    shuffle : bool
    epochs : int
    """

    def __init__(
        self,
        plan: Plan,
        backend: Backend,
        device: str,
        data: Data,
        seed: int,
        shuffle: bool,
        epochs: int,
    ) -> None:
        self.plan = plan
        self.backend = backend
        self.device = device
        self.data = data
        self.seed = seed
        self.shuffle = shuffle
        self.epochs = epochs
        self.reference = Reference(backend.namespace(), plan)
        self.program: Program = backend.compile(plan, device) or self.reference
        self.history = History(
            examples=plan.examples,
            program=self.program.name,
            reason=backend.uncovered(plan) or "it covers this plan",
            backend=backend.name,
            device=device,
        )

    def course(self, epoch: int, number: int, updates: int) -> Course:
        """What epoch `epoch` of this run (from 0) needs; it is the network's `number`-th."""
        plan = self.plan
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(plan.examples).astype(np.int32) if self.shuffle else None
        first, planned = epoch * plan.steps, self.epochs * plan.steps
        coefficients = np.array(
            [plan.optimizer.coefficients(first + i, planned, updates + i) for i in range(plan.steps)],
            dtype=plan.dtype,
        )
        keys = None
        if plan.drops:
            shape = (plan.steps, len(plan.layers))
            keys = rng.integers(-(2**31), 2**31, size=shape, dtype=np.int32)
        return Course(order, coefficients, keys)

    def advance(
        self, program: Program, weights: Weights, course: Course, steps: range
    ) -> tuple[Weights, Any]:
        """Run the given steps of an epoch; the new weights, and the loss of each batch (host)."""
        first = steps.start * self.plan.batch_size
        last = min(steps.stop * self.plan.batch_size, self.plan.examples)
        if course.order is not None:
            order = self._send(course.order[first:last])
        elif last - first < self.plan.examples:
            order = self._send(np.arange(first, last, dtype=np.int32))
        else:
            order = None
        keys = None if course.keys is None else self._send(course.keys[steps.start : steps.stop])
        coefficients = self._send(course.coefficients[steps.start : steps.stop])
        # Overflow on the way to a loss that isn't finite is found and said by `first_bad`.
        try:
            with np.errstate(all="ignore"):
                parameters, state, losses = program(*weights, *self.data, order, coefficients, keys)
        except Exception as error:
            if not self.backend.out_of_memory(error):
                raise
            raise OutOfMemory(
                f"{self.device} ran out of memory in an update with batch_size="
                f"{self.plan.batch_size}; the network keeps the weights it had. Use a smaller "
                f"batch_size, or backend='numpy'. ({error})"
            ) from error
        return Weights(parameters, state), self.backend.to_host(losses)

    def _send(self, host: Any) -> Array:
        return self.backend.from_host(np.ascontiguousarray(host), self.device)

    def epoch(self, weights: Weights, course: Course, seen: Callable[[int], None]) -> tuple[Weights, Any]:
        """One epoch, in parts short enough for a progress bar to move."""
        losses = []
        for steps in self._parts():
            weights, part = self.advance(self.program, weights, course, steps)
            losses.append(part)
            seen(min(len(steps) * self.plan.batch_size, self.plan.examples))
        return weights, np.concatenate(losses)

    def _parts(self) -> Iterator[range]:
        size = max(PART // self.plan.batch_size, 1)
        for start in range(0, self.plan.steps, size):
            yield range(start, min(start + size, self.plan.steps))

    def first_bad(self, weights: Weights, losses: Any) -> int | None:
        """The first step with a loss that isn't finite; one past the last if only the weights aren't."""
        bad = ~np.isfinite(losses)
        if bad.any():
            return int(np.argmax(bad))
        return None if self.finite(weights) else len(losses)

    def finite(self, weights: Weights) -> bool:
        """Whether all parameters are finite."""
        xp = self.backend.namespace()
        return all(bool(xp.all(xp.isfinite(p))) for layer in weights.parameters for p in layer)

    def last_good(self, past: list[tuple[Weights, Course]], bad: int) -> Weights:
        """The weights before the update that led to step `bad` of the last epoch of `past`.

        They are found by running that epoch again up to there: nothing is kept step by step.
        """
        weights, course = past[-1]
        if bad == 0 and len(past) > 1:
            (weights, course), bad = past[-2], self.plan.steps
        if bad < 2:
            return weights
        again, _ = self.advance(self.reference, weights, course, range(bad - 1))
        return again if self.finite(again) else weights


def train(
    run: Run,
    weights: Weights,
    epochs_before: int,
    updates_before: int,
    commit: Callable[[Weights, int], None],
    after_epoch: Callable[[], bool],
    seen: Callable[[int], None],
) -> None:
    """Run the epochs.

    Parameters
    ----------
    run : Run
    weights : Weights
        Where to start.
    epochs_before, updates_before : int
        What the network has behind it, and what the optimizer's state has.
    commit : callable ``(weights, updates)``
        Takes the weights of every epoch that ended well.
    after_epoch : callable ``() -> bool``
        Validation, progress and callbacks; True ends the run.
    seen : callable ``(examples)``

    Raises
    ------
    Diverged
        If a loss or a weight stops being finite; the last good weights have been committed.
    """
    history, plan = run.history, run.plan
    sizes = np.array([last - first for first, last in plan.batches()])
    past: list[tuple[Weights, Course]] = []
    for epoch in range(run.epochs):
        updates = updates_before + epoch * plan.steps
        course = run.course(epoch, epochs_before + epoch, updates)
        past = [*past[-1:], (weights, course)]
        started = time.perf_counter()
        weights, losses = run.epoch(weights, course, seen)
        history.seconds.append(time.perf_counter() - started)
        bad = run.first_bad(weights, losses)
        if bad is not None:
            commit(run.last_good(past, bad), updates + bad)
            raise Diverged(
                f"training diverged in epoch {epoch + 1}, step {min(bad + 1, plan.steps)} of "
                f"{plan.steps}: the loss is no longer finite. The network keeps the weights of the last "
                "step with a finite loss. Try a smaller learning_rate, clip_norm=1.0, or standardised "
                "inputs.",
                epoch + 1,
                min(bad + 1, plan.steps),
            )
        commit(weights, updates + plan.steps)
        history.loss.append(float(np.average(losses, weights=sizes)))
        history.learning_rate.append(float(course.coefficients[-1, 0]))
        history.epochs += 1
        if after_epoch():
            break
