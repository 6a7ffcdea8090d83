"""The run itself: epochs of a program, and what happens between them."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.reference import Program, Reference
from gpunet.errors import Diverged, OutOfMemory
from gpunet.inputs.fit_data import Data
from gpunet.training.history import History
from gpunet.devices.placement import Home
from gpunet.core.optimizers import OPTIMIZERS, Adam, GradientDescent, Optimizer
from gpunet.core.plan import Plan
from gpunet.training.state import Weights

Array = Any


def checked_optimizer(optimizer: Any) -> Optimizer:
    """`optimizer`, or ``GradientDescent(0.1)`` for None.

    Raises
    ------
    TypeError
        If it is none of gpunet's.
    """
    if optimizer is None:
        return GradientDescent()
    if isinstance(optimizer, Optimizer):
        return optimizer
    name = optimizer.lower() if isinstance(optimizer, str) else getattr(optimizer, "__name__", "")
    near = difflib.get_close_matches(name.lower(), OPTIMIZERS, n=1)
    meant = OPTIMIZERS[near[0]] if near else GradientDescent if name.lower() == "sgd" else Adam
    raise TypeError(
        f"optimizer must be an object such as gpunet.{meant.__name__}(learning_rate={meant().learning_rate}), "
        f"got {optimizer!r}"
    )


class Course(NamedTuple):
    """What is drawn and counted on the host for one epoch: order, coefficients and dropout keys."""

    order: Any
    coefficients: Any
    keys: Any


class Stage(NamedTuple):
    """Where an epoch began, so that it can be run again."""

    weights: Weights
    course: Course
    updates: int  # that the optimizer's state has behind it


class Run:
    """One call of ``fit``, with everything checked and in place.

    Parameters
    ----------
    plan : Plan
    home : Home
    data : Data
    seed : int
        Of the network: order and dropout of an epoch depend on it and on the epoch's number alone.
    shuffle : bool
    epochs : int
    part : int
        Most examples that a program is given at once: how often a progress bar can move.
    """

    def __init__(
        self,
        plan: Plan,
        home: Home,
        data: Data,
        seed: int,
        shuffle: bool,
        epochs: int,
        part: int,
    ) -> None:
        self.plan = plan
        self.home = home
        self.data = data
        self.seed = seed
        self.shuffle = shuffle and plan.steps > 1  # a sum over all examples has no order
        self.epochs = epochs
        self.part = part
        backend, device = home
        self.reference = Reference(home.xp, plan)
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
        # A rule whose numbers never change is asked once, not for each of an epoch's updates.
        asked = 1 if plan.optimizer.steady else plan.steps
        coefficients = np.array(
            [plan.optimizer.coefficients(first + i, planned, updates + i) for i in range(asked)],
            dtype=plan.dtype,
        )
        coefficients = np.repeat(coefficients, plan.steps // asked, axis=0)
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
            if not self.home.backend.out_of_memory(error):
                raise
            raise OutOfMemory(
                f"{self.home.device} ran out of memory in an update with batch_size="
                f"{self.plan.batch_size}; the network keeps the weights it had. Use a smaller "
                f"batch_size, or backend='numpy'. ({error})"
            ) from error
        return Weights(parameters, state), self.home.backend.to_host(losses)

    def _send(self, host: Any) -> Array:
        return self.home.send(np.ascontiguousarray(host))

    def epoch(
        self, weights: Weights, course: Course, seen: Callable[[int, float], None]
    ) -> tuple[Weights, Any]:
        """One epoch, in parts short enough for a progress bar to move."""
        losses = []
        for steps in self._parts():
            weights, part = self.advance(self.program, weights, course, steps)
            losses.append(part)
            last = min(steps.stop * self.plan.batch_size, self.plan.examples)
            seen(last - steps.start * self.plan.batch_size, float(np.mean(part, dtype=np.float64)))
        return weights, np.concatenate(losses)

    def _parts(self) -> Iterator[range]:
        size = max(self.part // self.plan.batch_size, 1)
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
        xp = self.home.xp
        return all(bool(xp.all(xp.isfinite(p))) for layer in weights.parameters for p in layer)

    def last_good(self, past: list[Stage], bad: int) -> tuple[Weights, int]:
        """The weights before the update that led to step `bad` of the last epoch, and their updates.

        They are found by running that epoch again up to there: nothing is kept step by step.
        """
        stage = past[-1]
        if bad == 0 and len(past) > 1:
            stage, bad = past[-2], self.plan.steps
        if bad > 1:
            again, _ = self.advance(self.reference, stage.weights, stage.course, range(bad - 1))
            if self.finite(again):
                return again, stage.updates + bad - 1
        return stage.weights, stage.updates


def train(
    run: Run,
    weights: Weights,
    epochs_before: int,
    updates_before: int,
    commit: Callable[[Weights, int, int], None],
    after_epoch: Callable[[], bool],
    seen: Callable[[int, float], None],
) -> None:
    """Run the epochs.

    Parameters
    ----------
    run : Run
    weights : Weights
        Where to start.
    epochs_before, updates_before : int
        What the network has behind it, and what the optimizer's state has.
    commit : callable ``(weights, updates, epochs)``
        Takes the weights of every epoch that ended well, and what is behind them.
    after_epoch : callable ``() -> bool``
        Validation, progress and callbacks; True ends the run.
    seen : callable ``(examples, loss)``
        Told of every part of an epoch that has run.

    Raises
    ------
    Diverged
        If a loss or a weight stops being finite; the last good weights have been committed.
    """
    history, plan = run.history, run.plan
    sizes = np.full(plan.steps, plan.batch_size)
    sizes[-1] = plan.examples - plan.batch_size * (plan.steps - 1)
    past: list[Stage] = []
    for epoch in range(run.epochs):
        updates = updates_before + epoch * plan.steps
        course = run.course(epoch, epochs_before + epoch, updates)
        past = [*past[-1:], Stage(weights, course, updates)]
        started = time.perf_counter()
        weights, losses = run.epoch(weights, course, seen)
        history.seconds.append(time.perf_counter() - started)
        history.program = run.program.name  # it may change as a run goes on
        bad = run.first_bad(weights, losses)
        if bad is not None:
            commit(*run.last_good(past, bad), epochs_before + epoch)
            raise Diverged(
                f"training diverged in epoch {epoch + 1}, step {min(bad + 1, plan.steps)} of "
                f"{plan.steps}: the loss is no longer finite. The network keeps the weights of the last "
                "step with a finite loss. Try a smaller learning_rate, clip_norm=1.0, or standardised "
                "inputs.",
                epoch + 1,
                min(bad + 1, plan.steps),
            )
        commit(weights, updates + plan.steps, epochs_before + epoch + 1)
        history.loss.append(float(np.average(losses, weights=sizes)))
        history.learning_rate.append(float(course.coefficients[-1, 0]))
        history.epochs += 1
        if after_epoch():
            break
