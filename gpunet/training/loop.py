"""The training loop: a generator of epochs."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.reference import batch_cost, batch_of
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.errors import Diverged, OutOfMemory
from gpunet.training.divergence import (
    advice,
    diverged,
    first_non_finite_step,
    is_finite,
    losses_and_finite,
)
from gpunet.training.feed import Feed
from gpunet.training.position import Position
from gpunet.training.progress import ProgressBar

LONG_EPOCH = 16  # steps


class EpochEnd(NamedTuple):
    """The result of an epoch, or of several that were run together."""

    state: TrainState
    updates: int  # since the optimizer's slots were zero
    epochs_trained: int  # of the network
    diverged: Diverged | None  # then `state` is the last finite one
    epochs: int = 1


class Pause(NamedTuple):
    """Between two chunks of an epoch."""

    state: TrainState
    updates: int
    position: Position


class Snapshot(NamedTuple):
    """The start of an epoch, or where a run goes on within one, so that it can be run again."""

    state: TrainState
    inputs: EpochInputs
    epoch: int
    step: int = 0  # of the epoch
    epochs: int = 1  # more than one where several are run together, as if they were one


class Drawn(NamedTuple):
    """The inputs of an epoch, or of several to run together."""

    inputs: EpochInputs
    epochs: int


class TrainingLoop:
    """One call of ``fit``, with everything checked and in place.

    Parameters
    ----------
    feed : Feed
        What the steps are given; the plan, the program and the history are its.
    reference : Program
        That runs the steps before a divergence again.
    bar : ProgressBar
    together : bool
        Whether nothing reads the state between epochs, so that several of them may be run in one call.
    """

    def __init__(self, feed: Feed, reference: Program, bar: ProgressBar, *, together: bool = False) -> None:
        self.feed = feed
        self.plan, self.placement, self.epochs = feed.plan, feed.placement, feed.epochs
        self.program, self.history = feed.program, feed.history
        self.reference = reference
        self.bar = bar
        self.together = together
        self.given: TrainState | None = None  # by the consumer, to go on with after an epoch
        plan = self.plan
        self.sizes = np.full(plan.steps, float(plan.batch_size))  # examples of each batch of an epoch
        self.sizes[-1] = plan.examples - plan.batch_size * (plan.steps - 1)

    def run(
        self, state: TrainState, epochs_trained: int, updates: int, start: Position | None = None
    ) -> Iterator[EpochEnd | Pause]:
        """Run the epochs, and yield after each of them, and at each pause.

        The consumer may stop at any of these. After a divergence the loop ends by itself.

        Parameters
        ----------
        state : TrainState
            Where to start.
        epochs_trained : int
            Epochs that the network has been trained for.
        updates : int
            Updates since the optimizer's slots were zero.
        start : Position, optional
            How far the run has come, if it goes on. Its history is to be in :attr:`history`.
        """
        history, plan, feed = self.history, self.plan, self.feed
        position = start or Position()
        feed.begin(position, epochs_trained, updates)
        examples = feed.updates(position.epoch) // plan.steps * plan.examples
        self.program.resume(examples + position.step * plan.batch_size)
        snapshots: list[Snapshot] = []
        finite = position.finite_losses(history)
        ahead: Drawn | None = None  # drawn while the device worked
        factor = history.learning_rate_factor  # with which `ahead` was drawn
        before: Snapshot | None = None  # the epochs that were run together last
        while position.epoch < self.epochs:
            epoch = position.epoch
            drawn = ahead or self._draw(epoch, 1 if position.step else self._first_count(epoch))
            ended = None
            if drawn.epochs > 1:
                group = Snapshot(state, drawn.inputs, epoch, epochs=drawn.epochs)
                ended = self._run_group(group)
            if ended is not None:
                state, losses, ahead = ended
                ran, before, snapshots = group, group, []
            else:
                inputs = drawn.inputs if drawn.epochs == 1 else feed.inputs(epoch)
                if history.learning_rate_factor != factor:
                    inputs = inputs._replace(coefficients=feed.coefficients(epoch))
                    factor = history.learning_rate_factor
                ran = Snapshot(state, inputs, epoch, position.step)
                # A divergence at the first step goes back to the epoch before, whose state takes memory.
                snapshots = [ran] if self._begins_finite(ran) else [*snapshots[-1:], ran]
                begun = time.perf_counter() - position.seconds
                state, on_device = yield from self._run_epoch(ran, position, begun)
                ahead = self._draw_ahead(epoch + 1)
                losses, is_good = self._finish_epoch(on_device, state)
                self._add_steps(ran, losses, time.perf_counter() - begun)
                bad = first_non_finite_step(losses, is_good)
                if bad is not None:
                    if before is not None and len(snapshots) == 1:
                        snapshots = [self._last_epoch(before), ran]
                    last_finite, updates = self._last_finite_state(snapshots, bad)
                    finite += [float(loss) for loss in losses[:bad]]
                    error = self._diverged(epoch, bad, finite)
                    yield EpochEnd(last_finite, updates, feed.epochs_trained(epoch), error)
                    return
            self._add_epochs(ran, losses)
            finite = [finite[0] if finite else float(losses[0]), float(losses[-1])]
            position = Position(epoch + ran.epochs)
            updates, epochs_trained = feed.updates(position.epoch), feed.epochs_trained(position.epoch)
            yield EpochEnd(state, updates, epochs_trained, None, ran.epochs)
            if self.given is not None:
                state, self.given = self.given, None

    def _add_steps(self, ran: Snapshot, losses: Any, seconds: float) -> None:
        """Add to the history what ran, for how long, and the steps of the last epoch."""
        history, steps = self.history, self.plan.steps
        # A tiered program changes them.
        history.program = self.program.name
        history.reason = self.program.reason or history.reason
        history.seconds += [seconds / ran.epochs] * ran.epochs
        history.step_loss = losses[-steps:]
        history.step_learning_rate = ran.inputs.coefficients[-steps:, 0]

    def _add_epochs(self, ran: Snapshot, losses: Any) -> None:
        """Add to the history the figures of each epoch that ran, from its losses."""
        history, steps = self.history, self.plan.steps
        sums = (losses.reshape(ran.epochs, steps) * self.sizes).sum(axis=1)
        history.loss += (sums / self.plan.examples).tolist()
        history.learning_rate += [float(rate) for rate in ran.inputs.coefficients[steps - 1 :: steps, 0]]
        history.epochs += ran.epochs

    def _count(self, epoch: int) -> int:
        """How many epochs from `epoch` on are to be run together."""
        if not self.together or self.feed.transform is not None:
            return 1
        return min(self.program.epochs_together, self.epochs - epoch)

    def _first_count(self, epoch: int) -> int:
        """The same while the device has nothing to do: it should not wait for the orders of many epochs."""
        return 1 if self.placement.backend.asynchronous and self.feed.shuffle else self._count(epoch)

    def _draw(self, epoch: int, count: int) -> Drawn:
        """The inputs of `count` epochs."""
        return Drawn(self.feed.inputs(epoch, count), count)

    def _draw_ahead(self, epoch: int) -> Drawn | None:
        """The inputs of what comes next, which the host draws while a GPU works; None if nothing does.

        After the last epoch another run is likely to go on: its first order is drawn then.
        """
        if not self.placement.backend.asynchronous:
            return None
        if epoch >= self.epochs:
            self.feed.draw(epoch)
            return None
        return self._draw(epoch, self._count(epoch))

    def _run_group(self, group: Snapshot) -> tuple[TrainState, Any, Drawn | None] | None:
        """Run epochs together, and add their steps to the history; their state and losses, and what was drawn ahead.

        None, and nothing is added, if any number is not finite: one by one they tell where.
        """
        begun, updates = time.perf_counter(), group.epochs * self.plan.steps
        state, on_device = self._run_steps(self.program, group.state, group, range(updates))
        ahead = self._draw_ahead(group.epoch + group.epochs)
        losses, is_good = losses_and_finite(self.placement.backend, on_device, state)
        seconds = time.perf_counter() - begun
        if first_non_finite_step(losses, is_good) is not None:
            return None
        self._advance(self.plan.examples * group.epochs, losses)
        self._add_steps(group, losses, seconds)
        return state, losses, ahead

    def _last_epoch(self, group: Snapshot) -> Snapshot:
        """The start of the last one of epochs that were run together."""
        plan, earlier, inputs = self.plan, group.epochs - 1, group.inputs
        first = earlier * plan.steps
        state, _ = self._run_steps(self.program, group.state, group, range(first))
        order, keys = inputs.order, inputs.dropout_keys
        last = inputs._replace(
            order=None if order is None else order[earlier * plan.examples :],
            coefficients=inputs.coefficients[first:],
            dropout_keys=None if keys is None else keys[first:],
        )
        return Snapshot(state, last, group.epoch + earlier)

    def _run_epoch(
        self, snapshot: Snapshot, start: Position, begun: float
    ) -> Generator[Pause, None, tuple[TrainState, list[Any]]]:
        """The rest of an epoch from `start`, in chunks short enough for the progress bar to move; pauses between them.

        Returns
        -------
        state : TrainState
        losses : list of array
            Of each chunk; those of the last one on the device, which may still be working.
        """
        losses: list[Any] = [start.losses] if start.step else []
        state, first = snapshot.state, start.step
        while first < self.plan.steps:
            if first > start.step:
                losses[-1] = self.placement.backend.to_host(losses[-1])
                self._advance(self.plan.batch_size * len(losses[-1]), losses[-1])
                if self.feed.chunks is not None:
                    so_far, seconds = np.concatenate(losses), time.perf_counter() - begun
                    position = Position(start.epoch, first, so_far, seconds)
                    yield Pause(state, self.feed.updates(start.epoch) + first, position)
            last = self.feed.chunk_end(first, snapshot.epoch)
            state, some = self._run_steps(self.program, state, snapshot, range(first, last))
            losses.append(some)
            first = last
        return state, losses

    def _finish_epoch(self, losses: list[Any], state: TrainState) -> tuple[Any, bool]:
        """Wait for the device; all losses of the epoch, on the host, and whether all parameters are finite."""
        before = self.plan.batch_size * sum(some.shape[0] for some in losses[:-1])
        losses[-1], finite = losses_and_finite(self.placement.backend, losses[-1], state)
        self._advance(self.plan.examples - before, losses[-1])
        return np.concatenate(losses), finite

    def _advance(self, examples: int, losses: Any) -> None:
        """Move the progress bar on by steps with these losses."""
        if self.bar.visible:
            self.bar.advance(examples, float(np.mean(losses, dtype=np.float64)))

    def _run_steps(
        self, program: Program, state: TrainState, snapshot: Snapshot, steps: range
    ) -> tuple[TrainState, Any]:
        """Some steps of the epoch of a snapshot: the new state, and the loss of each batch."""
        (backend, device), doing = self.placement, "while examples were copied to it for an update"
        # Overflow on the way to a loss that isn't finite is found by `first_non_finite_step`.
        try:
            chunk = self.feed.on_device(snapshot.inputs, snapshot.epoch, steps)
            doing = "in an update"
            with np.errstate(all="ignore"), backend.product_precision(self.plan.precision, device):
                state, losses = program(state, chunk)
        except Exception as error:
            if not backend.out_of_memory(error):
                raise
            raise OutOfMemory(
                f"{device} ran out of memory {doing} with batch_size="
                f"{self.plan.batch_size}; the network keeps the weights it had. Use a smaller "
                f"batch_size, or backend='numpy'. ({error})"
            ) from error
        return state, losses

    def _begins_finite(self, snapshot: Snapshot) -> bool:
        """Whether the first loss after a snapshot is known to be finite: a forward pass of one batch tells.

        It is worth it only where epochs are long and weights many, as those of sparse features are.
        """
        plan, xp = self.plan, self.placement.xp
        # For a device, or for data.
        waits = self.placement.backend.asynchronous or self.feed.windows is not None
        if not plan.sparse or plan.steps < LONG_EPOCH or waits:
            return False
        first = range(snapshot.step, snapshot.step + 1)
        inputs = self.feed.on_device(snapshot.inputs, snapshot.epoch, first)
        batch, parameters = batch_of(xp, inputs, 0, 0, inputs.examples), snapshot.state.parameters
        whole = batch.dropout_keys is not None or plan.penalized  # these need all of W[1]
        if isinstance(inputs.X, SparseExamples) and not whole:
            X, W = inputs.X.used_features(batch.X, parameters[0][0])
            batch, parameters = batch._replace(X=X), [(W, parameters[0][1]), *parameters[1:]]
        with np.errstate(all="ignore"):
            J = batch_cost(xp, plan, parameters, batch)
        return bool(xp.isfinite(J))

    def _last_finite_state(self, snapshots: list[Snapshot], bad: int) -> tuple[TrainState, int]:
        """The state before the update that led to step `bad` of the last epoch, and its count of updates.

        It is found by running that epoch again up to there: no state is kept step by step.
        """
        snapshot = snapshots[-1]
        if bad == 0 and len(snapshots) > 1:
            snapshot, bad = snapshots[-2], self.plan.steps
        again, first, before = snapshot.state, snapshot.step, self.feed.updates(snapshot.epoch)
        while first < bad - 1:
            steps = range(first, min(self.feed.chunk_end(first, snapshot.epoch), bad - 1))
            again, _ = self._run_steps(self.reference, again, snapshot, steps)
            first = steps.stop
        if first > snapshot.step and is_finite(self.placement.backend, again):
            return again, before + first
        return snapshot.state, before + snapshot.step

    def _diverged(self, epoch: int, bad: int, finite: list[float]) -> Diverged:
        """The error for step `bad` of an epoch, both from 0; see :func:`gpunet.training.divergence.diverged`."""
        (X, Y, _), transform = self.feed.examples, self.feed.transform
        if transform is not None:
            X = transform.standardized(X)
        steps = self.plan.steps
        return diverged(epoch + 1, min(bad + 1, steps), steps, finite, advice(self.placement.xp, X, Y))
