"""The training loop: a generator of epochs."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.checks import finite_number
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState, unsupported_input
from gpunet.core.reference import Reference, batch_cost, batch_of
from gpunet.core.schedules import scaled_rate
from gpunet.devices.placement import Placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.errors import Diverged, OutOfMemory
from gpunet.inputs.fit_data import Examples
from gpunet.teams.program import Lanes
from gpunet.teams.team import Team
from gpunet.training.chunks import Chunks
from gpunet.training.history import History
from gpunet.training.position import Position
from gpunet.training.progress import ProgressBar
from gpunet.training.scale import LARGE_INPUT, LARGE_TARGET, mean_size, standardizer_for
from gpunet.training.transforms import NUMBERS, Transform
from gpunet.training.windows import Windows

Array = Any

CHUNK_EXAMPLES = 500_000  # of a run without pauses: its orders and coefficients take little memory
LONG_EPOCH = 16  # steps
USELESS = 1e3  # times the first loss: weights with such a loss are not worth keeping


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


class EpochSnapshot(NamedTuple):
    """The start of an epoch, or where a run goes on within one, so that it can be run again."""

    state: TrainState
    inputs: EpochInputs
    updates: int
    step: int  # of the epoch
    epochs_trained: int


class EpochGroup(NamedTuple):
    """Epochs to run together, as if they were one."""

    snapshot: EpochSnapshot
    epoch: int  # the first
    epochs: int


class TrainingLoop:
    """One call of ``fit``, with everything checked and in place.

    Parameters
    ----------
    plan : Plan
    placement : Placement
    examples : Examples
    seed : int
        Of the network: order and dropout of an epoch depend on it and on the epoch's number alone.
    shuffle : bool
    epochs : int
    bar : ProgressBar
    chunks : Chunks or None
        Where to pause within epochs; None for no pauses.
    transform : Transform or None
        Of each batch; the examples are raw then.
    windows : Windows or None
        Of the examples, where not all are in memory; `examples` are a sample then.
    team : Team or None
        Whose ranks run the same loop.
    """

    def __init__(
        self,
        plan: Plan,
        placement: Placement,
        examples: Examples,
        seed: int,
        shuffle: bool,
        epochs: int,
        bar: ProgressBar,
        chunks: Chunks | None = None,
        transform: Transform | None = None,
        windows: Windows | None = None,
        team: Team | None = None,
    ) -> None:
        self.plan = plan
        self.placement = placement
        if isinstance(examples.X, SparseExamples) and plan.layers[0].dropout:
            examples = examples._replace(X=examples.X.as_dense())  # masks are dense
        self.examples = examples
        self.seed = seed
        self.shuffle = shuffle and plan.steps > 1  # a sum over all examples has no order
        self.epochs = epochs
        self.bar = bar
        self.chunks = chunks
        self.transform = transform
        self.together = False  # whether nobody looks at the state between epochs
        backend, device = placement
        self.reference: Program
        program: Program | None
        if plan.lanes is None or team is None:
            self.reference = Reference(placement.xp, plan)
            program, reason = backend.program_for(plan, device)
        else:
            self.reference = program = Lanes(plan, placement, team.engine)
            reason = program.reason
        unread = None if program is None else unsupported_input(program, plan)
        if program is not None and unread is not None:
            reason = f"{program.name}: {unread}"
            program = None
        self.program: Program = program or self.reference
        self.windows = windows
        if windows is not None:
            windows.block_steps = self.program.block_steps
            windows.every = None if chunks is None else chunks.every
        self.history = History(
            examples=plan.examples,
            program=self.program.name,
            reason=reason,
            backend=backend.name,
            device=device,
            precision=plan.precision,
        )

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
        history, plan = self.history, self.plan
        start = start or Position()
        updates -= start.step  # from here on: at the start of an epoch
        self.program.resume(updates // plan.steps * plan.examples + start.step * plan.batch_size)
        sizes = np.full(plan.steps, plan.batch_size)
        sizes[-1] = plan.examples - plan.batch_size * (plan.steps - 1)
        snapshots: list[EpochSnapshot] = []
        finite = start.finite_losses(history)
        following: EpochInputs | None = None
        factor = history.learning_rate_factor  # with which `following` was drawn
        epoch, before = start.epoch, None  # the epochs that were run together last
        while epoch < self.epochs:
            group = self._group(state, epoch, epochs_trained, updates) if start.step == 0 else None
            if group is not None and (ended := self._run_group(group)) is not None:
                state, losses = ended
                updates, epochs_trained = updates + group.epochs * plan.steps, epochs_trained + group.epochs
                finite = [*finite[:1], float(losses[0]), float(losses[-1])]
                epoch, before, snapshots = epoch + group.epochs, group, []
                start = Position(epoch)
                yield EpochEnd(state, updates, epochs_trained, None, group.epochs)
                continue
            inputs = following or self.epoch_inputs(epoch, epochs_trained, updates)
            if history.learning_rate_factor != factor:
                inputs = inputs._replace(coefficients=self.coefficients(epoch, updates))
                factor = history.learning_rate_factor
            snapshot = EpochSnapshot(state, inputs, updates, start.step, epochs_trained)
            # A divergence at the first step goes back to the epoch before, whose state takes memory.
            snapshots = [snapshot] if self._begins_finite(snapshot) else [*snapshots[-1:], snapshot]
            begun = time.perf_counter() - start.seconds
            state, on_device = yield from self._run_epoch(snapshot, start, begun)
            # The host draws the next epoch's order while a GPU works.
            following = None
            if self.placement.backend.asynchronous and epoch + 1 < self.epochs:
                following = self.epoch_inputs(epoch + 1, epochs_trained + 1, updates + plan.steps)
            losses = self._finish_epoch(on_device)
            history.seconds.append(time.perf_counter() - begun)
            # A tiered program changes them.
            history.program = self.program.name
            history.reason = self.program.reason or history.reason
            history.step_loss, history.step_learning_rate = losses, inputs.coefficients[:, 0]
            bad = self._first_non_finite_step(state, losses)
            if bad is not None:
                if before is not None and len(snapshots) == 1:
                    snapshots = [self._last_epoch(before), snapshot]
                last_finite, updates = self._last_finite_state(snapshots, bad)
                finite += [float(loss) for loss in losses[:bad]]
                diverged = self._diverged(epoch, bad, finite)
                yield EpochEnd(last_finite, updates, epochs_trained, diverged)
                return
            finite = [*finite[:1], *(float(loss) for loss in losses[:1]), float(losses[-1])]
            updates += plan.steps
            epochs_trained += 1
            history.loss.append(float(np.average(losses, weights=sizes)))
            history.learning_rate.append(float(inputs.coefficients[-1, 0]))
            history.epochs += 1
            epoch += 1
            start = Position(epoch)
            yield EpochEnd(state, updates, epochs_trained, None)

    def _group(self, state: TrainState, epoch: int, epochs_trained: int, updates: int) -> EpochGroup | None:
        """The epochs from `epoch` on that are to be run together; None for one alone."""
        plan, count = self.plan, min(self.program.epochs_together, self.epochs - epoch)
        if count < 2 or not self.together or self.transform is not None or plan.examples % plan.batch_size:
            return None
        if self.shuffle or plan.uses_dropout:
            each = [
                self.epoch_inputs(epoch + i, epochs_trained + i, updates + i * plan.steps)
                for i in range(count)
            ]
            order, keys = (
                None if each[0][k] is None else np.concatenate([one[k] for one in each]) for k in (3, 5)
            )
        else:
            order, keys = None, None
        if order is None:
            order = np.tile(np.arange(plan.examples, dtype=np.int32), count)
        inputs = EpochInputs(*self.examples, order, self.coefficients(epoch, updates, count), keys)
        return EpochGroup(EpochSnapshot(state, inputs, updates, 0, epochs_trained), epoch, count)

    def _run_group(self, group: EpochGroup) -> tuple[TrainState, Any] | None:
        """Run epochs together, and add them to the history; their state and losses.

        None, and nothing is added, if any number is not finite: one by one they tell where.
        """
        history, steps = self.history, self.plan.steps
        begun = time.perf_counter()
        state, on_device = self._run_steps(
            self.program, group.snapshot.state, group.snapshot, range(group.epochs * steps)
        )
        losses = self.placement.backend.to_host(on_device)
        seconds = (time.perf_counter() - begun) / group.epochs
        if not np.isfinite(losses).all() or not self._finite(state):
            return None
        self.bar.advance(self.plan.examples * group.epochs, float(np.mean(losses, dtype=np.float64)))
        history.program = self.program.name
        history.reason = self.program.reason or history.reason
        rates = group.snapshot.inputs.coefficients[:, 0]
        history.step_loss, history.step_learning_rate = losses[-steps:], rates[-steps:]
        history.seconds += [seconds] * group.epochs
        sizes = np.full(steps, self.plan.batch_size)
        history.loss += np.average(losses.reshape(group.epochs, steps), axis=1, weights=sizes).tolist()
        history.learning_rate += [float(rate) for rate in rates[steps - 1 :: steps]]
        history.epochs += group.epochs
        return state, losses

    def _last_epoch(self, group: EpochGroup) -> EpochSnapshot:
        """The start of the last one of epochs that were run together."""
        snapshot, plan, earlier = group.snapshot, self.plan, group.epochs - 1
        state, first = snapshot.state, earlier * plan.steps
        state, _ = self._run_steps(self.program, state, snapshot, range(first))
        inputs, keys = snapshot.inputs, snapshot.inputs.dropout_keys
        assert inputs.order is not None
        last = inputs._replace(
            order=inputs.order[earlier * plan.examples :],
            coefficients=inputs.coefficients[first:],
            dropout_keys=None if keys is None else keys[first:],
        )
        return EpochSnapshot(state, last, snapshot.updates + first, 0, snapshot.epochs_trained + earlier)

    def epoch_inputs(self, epoch: int, epochs_trained: int, updates: int) -> EpochInputs:
        """The inputs of epoch `epoch` (from 0): examples on the device, all that is drawn or counted on the host."""
        plan = self.plan
        rng = np.random.default_rng([self.seed, epochs_trained])
        order: Any = None
        if self.shuffle and self.windows is None:
            order = rng.permutation(plan.examples).astype(np.int32)
        keys = None
        if plan.uses_dropout:
            shape = (plan.steps, len(plan.layers))
            keys = rng.integers(-(2**31), 2**31, size=shape, dtype=np.int32)
        return EpochInputs(*self.examples, order, self.coefficients(epoch, updates), keys)

    def coefficients(self, epoch: int, updates: int, epochs: int = 1) -> Any:
        """The optimizer's coefficients of an epoch's steps, ``(steps, k)``, at the rate that callbacks have set.

        Of several epochs, one after the other, with `epochs`.
        """
        plan, optimizer, steps = self.plan, self.plan.optimizer, epochs * self.plan.steps
        factor = self.history.learning_rate_factor
        if factor != 1.0:
            finite_number("history.learning_rate_factor", factor, 0.0, strict=True)
            optimizer = optimizer.with_learning_rate(scaled_rate(optimizer.learning_rate, factor))
        first, planned = epoch * plan.steps, self.epochs * plan.steps
        # Constant coefficients are computed once, not for each update of the epoch.
        distinct = 1 if optimizer.constant_coefficients else steps
        coefficients = np.array(
            [optimizer.coefficients(first + i, planned, updates + i) for i in range(distinct)],
            dtype=plan.dtype,
        )
        return np.repeat(coefficients, steps // distinct, axis=0)

    def _run_epoch(
        self, snapshot: EpochSnapshot, start: Position, begun: float
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
                losses[-1] = self._show(losses[-1], self.plan.batch_size * losses[-1].shape[0])
                if self.chunks is not None:
                    so_far = np.concatenate(losses)
                    seconds = time.perf_counter() - begun
                    yield Pause(
                        state, snapshot.updates + first, Position(start.epoch, first, so_far, seconds)
                    )
            last = self._chunk_end(first, snapshot.epochs_trained)
            state, some = self._run_steps(self.program, state, snapshot, range(first, last))
            losses.append(some)
            first = last
        return state, losses

    def _finish_epoch(self, losses: list[Any]) -> Any:
        """Wait for the device; all losses of the epoch, on the host."""
        before = self.plan.batch_size * sum(some.shape[0] for some in losses[:-1])
        losses[-1] = self._show(losses[-1], self.plan.examples - before)
        return np.concatenate(losses)

    def _show(self, losses: Any, examples: int) -> Any:
        """Move the progress bar on by the steps with these losses, which are brought to the host."""
        losses = self.placement.backend.to_host(losses)
        self.bar.advance(examples, float(np.mean(losses, dtype=np.float64)))
        return losses

    def _chunk_end(self, first: int, epochs_trained: int) -> int:
        """The step before which a chunk that begins with step `first` of an epoch ends."""
        plan, block = self.plan, self.program.block_steps
        if self.chunks is not None:
            last = self.chunks.end(first, plan.steps, block)
        else:
            size = max(CHUNK_EXAMPLES // plan.batch_size, 1)
            last = min(first + -(-size // block) * block, plan.steps)
        if self.windows is not None:
            last = min(last, self.windows.steps(epochs_trained, first).stop)
        return (
            last
            if self.transform is None
            else min(last, self._transformed_together(first, epochs_trained).stop)
        )

    def _transformed_together(self, step: int, epochs_trained: int) -> range:
        """The steps whose batches are transformed together with those of a step: the same wherever the run pauses."""
        plan, block = self.plan, self.program.block_steps
        window = range(plan.steps)
        if self.windows is not None:
            window = self.windows.steps(epochs_trained, step)
        most = max(NUMBERS // (plan.batch_size * self.examples.X.shape[0]), 1)
        size = -(-most // block) * block
        every = plan.steps if self.chunks is None else self.chunks.every or plan.steps
        base = max(step // every * every, window.start)  # from which a program counts its blocks
        first = base + (step - base) // size * size
        return range(first, min(first + size, step // every * every + every, window.stop))

    def _run_steps(
        self, program: Program, state: TrainState, snapshot: EpochSnapshot, steps: range
    ) -> tuple[TrainState, Any]:
        """Some steps of the epoch of a snapshot: the new state, and the loss of each batch."""
        chunk = self._on_device(snapshot, steps)
        backend, device = self.placement
        # Overflow on the way to a loss that isn't finite is found by `_first_non_finite_step`.
        try:
            with np.errstate(all="ignore"), backend.product_precision(self.plan.precision, device):
                state, losses = program(state, chunk)
        except Exception as error:
            if not backend.out_of_memory(error):
                raise
            raise OutOfMemory(
                f"{device} ran out of memory in an update with batch_size="
                f"{self.plan.batch_size}; the network keeps the weights it had. Use a smaller "
                f"batch_size, or backend='numpy'. ({error})"
            ) from error
        return state, losses

    def _on_device(self, snapshot: EpochSnapshot, steps: range) -> EpochInputs:
        """The inputs of some steps of an epoch, transformed, and all on the device."""

        def to_device(host: Any) -> Array:
            return self.placement.to_device(np.ascontiguousarray(host))

        inputs, size, start = snapshot.inputs, self.plan.batch_size, 0  # the step that the inputs begin with
        keys, epoch = inputs.dropout_keys, snapshot.epochs_trained
        if self.windows is not None:
            (X, Y, weights), used = self.windows.window(epoch, steps.start)
            inputs = inputs._replace(X=X, Y=Y, example_weights=weights, order=used)
            start = self.windows.steps(epoch, steps.start).start
        if self.transform is not None:
            together = self._transformed_together(steps.start, epoch)
            given = Examples(inputs.X, inputs.Y, inputs.example_weights)
            X, Y, weights = self.transform.examples(given, inputs.order, start, size, epoch, together)
            inputs, start = inputs._replace(X=X, Y=Y, example_weights=weights, order=None), together.start
        examples = inputs.examples
        first, last = (steps.start - start) * size, min((steps.stop - start) * size, examples)
        if inputs.order is not None:
            order = to_device(inputs.order[first:last])
        elif last - first < examples:
            order = to_device(np.arange(first, last, dtype=np.int32))
        else:
            order = None
        return inputs._replace(
            order=order,
            coefficients=to_device(inputs.coefficients[steps.start : steps.stop]),
            dropout_keys=None if keys is None else to_device(keys[steps.start : steps.stop]),
        )

    def _first_non_finite_step(self, state: TrainState, losses: Any) -> int | None:
        """The first step with a loss that isn't finite; one past the last if only the parameters aren't."""
        bad = ~np.isfinite(losses)
        if bad.any():
            return int(np.argmax(bad))
        return None if self._finite(state) else len(losses)

    def _finite(self, state: TrainState) -> bool:
        """Whether all parameters are finite."""
        xp = self.placement.xp
        return all(bool(xp.all(xp.isfinite(p))) for layer in state.parameters for p in layer)

    def _begins_finite(self, snapshot: EpochSnapshot) -> bool:
        """Whether the first loss after a snapshot is known to be finite: a forward pass of one batch tells.

        It is worth it only where epochs are long and weights many, as those of sparse features are.
        """
        plan, xp = self.plan, self.placement.xp
        waits = self.placement.backend.asynchronous or self.windows is not None  # for a device, or for data
        if not plan.sparse or plan.steps < LONG_EPOCH or waits:
            return False
        inputs = self._on_device(snapshot, range(snapshot.step, snapshot.step + 1))
        with np.errstate(all="ignore"):
            J = batch_cost(xp, plan, snapshot.state.parameters, batch_of(xp, inputs, 0, 0, inputs.examples))
        return bool(xp.isfinite(J))

    def _last_finite_state(self, snapshots: list[EpochSnapshot], bad: int) -> tuple[TrainState, int]:
        """The state before the update that led to step `bad` of the last epoch, and its count of updates.

        It is found by running that epoch again up to there: no state is kept step by step.
        """
        snapshot = snapshots[-1]
        if bad == 0 and len(snapshots) > 1:
            snapshot, bad = snapshots[-2], self.plan.steps
        again, first = snapshot.state, snapshot.step
        while first < bad - 1:
            steps = range(first, min(self._chunk_end(first, snapshot.epochs_trained), bad - 1))
            again, _ = self._run_steps(self.reference, again, snapshot, steps)
            first = steps.stop
        if first > snapshot.step and self._finite(again):
            return again, snapshot.updates + first
        return snapshot.state, snapshot.updates + snapshot.step

    def _diverged(self, epoch: int, bad: int, finite: list[float]) -> Diverged:
        """The error for a loss that was not finite in step `bad` (from 0) of an epoch (from 0).

        `finite` holds finite losses, the first one of the run first and the last one last; none if there was none.
        """
        step = min(bad + 1, self.plan.steps)
        useless = ""
        if finite and finite[-1] > USELESS * finite[0]:
            useless = (
                f" Its loss had already grown from {finite[0]:.3g} to {finite[-1]:.3g}: these weights are of no "
                "use, train a fresh network."
            )
        return Diverged(
            f"training diverged in epoch {epoch + 1}, step {step} of {self.plan.steps}: the loss is no longer "
            f"finite. The network keeps the weights of the last step with a finite loss.{useless} {self._advice()}",
            epoch + 1,
            step,
        )

    def _advice(self) -> str:
        """The most likely cause of a divergence, and what to do about it."""
        rate = "Try a smaller learning_rate, or clip_norm=1.0"
        xp = self.placement.xp
        X = self.examples.X if self.transform is None else self.transform.standardized(self.examples.X)
        inputs, targets = mean_size(xp, X), mean_size(xp, self.examples.Y)
        if not inputs <= LARGE_INPUT:
            return (
                f"The inputs are large (mean |x| is {inputs:.3g}, about 1 is usual): give the Network "
                f"standardizer={standardizer_for(self.examples.X)}. {rate} if it still diverges."
            )
        if not targets <= LARGE_TARGET:
            return (
                f"The targets are large (mean |y| is {targets:.3g}): scale them to about 1. {rate} if it still "
                "diverges."
            )
        return f"{rate}."
