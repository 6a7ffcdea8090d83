"""One run of ``fit``: consumes the training loop, evaluates, calls the callbacks, writes the checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from gpunet.core.plan import Plan
from gpunet.core.program import TrainState
from gpunet.core.propagation import Parameters
from gpunet.core.reference import columns
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.files.saved_network import SavedNetwork
from gpunet.inputs.digest import digest
from gpunet.inputs.fit_data import FitData
from gpunet.inputs.pipeline import Examples, InputPipeline
from gpunet.training import evaluation
from gpunet.training.callbacks import call_callbacks, finish_callbacks
from gpunet.training.described import described
from gpunet.training.evaluator import Evaluator
from gpunet.training.history import History
from gpunet.training.loop import EpochEnd, Pause
from gpunet.training.position import Position
from gpunet.training.preparation import prepared
from gpunet.training.run_settings import RunSettings
from gpunet.training.same_start import begin_training
from gpunet.training.saved import on_host, restored_callbacks, resumed_history, saved_run
from gpunet.training.signals import StopSignals
from gpunet.training.trained import Trained


class TrainingRun:
    """Trains in place, with everything checked.

    Parameters
    ----------
    network : object
        What callbacks are called with.
    trained : Trained
        Its state, on the pipeline's placement; kept up to date from epoch to epoch.
    plan : Plan
        Of the whole network.
    data : FitData
    pipeline : InputPipeline
        With a fitted standardizer.
    evaluator : Evaluator
    epochs : int
    settings : RunSettings
    starting : dict
        What the ranks of a team must agree on, beside the plan and the weights.
    save : callable ``() -> SavedNetwork``
        What a checkpoint holds of the network.

    Attributes
    ----------
    history : History
    """

    def __init__(
        self,
        network: Any,
        trained: Trained,
        plan: Plan,
        data: FitData,
        pipeline: InputPipeline,
        evaluator: Evaluator,
        epochs: int,
        settings: RunSettings,
        starting: dict[str, Any],
        save: Callable[[], SavedNetwork],
    ) -> None:
        self.network, self.trained = network, trained
        self.data, self.pipeline, self.placement = data, pipeline, pipeline.placement
        self.evaluator, self.settings, self.starting, self.save = evaluator, settings, starting, save
        self.team, self.checkpoints = settings.team, settings.checkpoints
        self.callbacks = settings.callbacks if settings.is_first else []
        state = trained.begin(plan.optimizer, self.placement)
        self.loop, self.base = prepared(plan, data, pipeline, state, epochs, settings)
        self.plan, self.history, self.bar = self.loop.plan, self.loop.history, self.loop.bar
        self.position, self.ended = Position(), False
        self.agreed: TrainState | None = None  # the last state that all ranks have

    def run(self) -> History:
        """Consume the training loop: keep each epoch's state, evaluate, call the callbacks."""
        trained = self.trained
        stopping = failed = False
        with StopSignals() if self.settings.pauses else nullcontext() as signals:
            assert trained.state is not None
            settled = trained.state, trained.updates
            self.agreed = trained.state
            try:
                self._resume()
                self._compare()
                with self.team.reporting():
                    # Only the loop holds the state at the start: its memory is free once there is another one.
                    above, so_far = self.base.state_above, (trained.epochs, trained.updates)
                    ends = self.loop.run(above(trained.state), *so_far, self.position)
                    for end in () if self.ended else ends:
                        trained.state, trained.updates = self.base.joined(end.state), end.updates
                        self.agreed = trained.state
                        if isinstance(end, Pause):
                            self.position = end.position
                        else:
                            settled = trained.state, trained.updates
                            self._end_epoch(end)
                        stopping = signals is not None and self._told_to_stop(signals)
                        if (self._due() or (stopping and self.checkpoints is not None)) and self._is_finite():
                            self._write(wait=stopping)
                        if self.ended or stopping:
                            break
            except Exception:
                failed = True
                if self.position.step:  # an error within an epoch leaves the network as after the last one
                    trained.state, trained.updates = settled
                    self.agreed = trained.state
                raise
            finally:
                self._finish(failed)
            self.loop.program.finish()
            if self.checkpoints is not None and not stopping:
                self._write(finished=True, wait=True)
            if self.team.size > 1:
                self.team.gather(None)  # nobody ends the job before the checkpoint is there
            self.team.stopped = stopping
        return self.history

    def _compare(self) -> None:
        """See that all ranks begin the same run."""
        if self.team.size == 1:
            return
        # Callbacks are rank 0's alone.
        settings = {name: value for name, value in self.starting.items() if name != "callbacks"}
        settings |= {"seed": self.settings.seed, "plan": described(self.plan)}
        settings["backend"] = self.placement.backend.name  # each library rounds in its own way
        settings["starting weights"] = self.trained.weights(self.placement)
        settings["optimizer's state"] = self.trained.optimizer_state(self.placement)
        if self.loop.feed.windows is not None:
            # The order of rows that are read block by block depends on the blocks.
            settings["blocks of X"] = digest("blocks", self.loop.feed.windows.stream.blocks.edges)
        begin_training(self.team, settings, self.pipeline.standardizer)

    def _told_to_stop(self, signals: StopSignals) -> bool:
        """Whether Ctrl-C or SIGTERM has come, to any rank."""
        if self.team.size > 1:
            told = [signal for signal in self.team.gather(signals.received) if signal is not None]
            if told and signals.received is None:
                signals.received = told[0]
            return bool(told)
        return signals.received is not None

    def _resume(self) -> None:
        """Go on where the newest checkpoint stands."""
        if self.checkpoints is None or self.checkpoints.saved is None:
            return
        saved = self.checkpoints.saved.training["run"]
        self.position, self.ended = Position(**saved["position"]), saved["ended"]
        resumed_history(self.history, saved["history"])
        if self.team.rank == 0:
            restored_callbacks(self.callbacks, saved)
        done = self.position.epoch * self.plan.examples + self.position.step * self.plan.batch_size
        self.bar.begin_at(done, self.history)

    def _end_epoch(self, end: EpochEnd) -> None:
        """Figures of an epoch, and the callbacks."""
        history, own_loss = self.history, self.evaluator.own_loss
        self.trained.epochs, self.trained.before = end.epochs_trained, None
        self.position = Position(history.epochs)
        history.step_loss = own_loss(history.step_loss)
        if end.diverged is not None:
            raise end.diverged
        figures, self.ended, given = self.team.from_first(lambda: self._figures(end.epochs))
        if self.team.rank > 0:
            resumed_history(history, figures)
            if given is not None:
                self.network.set_parameters(given)
        if self.trained.state is not self.agreed:
            self._go_on_with_callbacks_weights(end.updates)

    def _figures(self, epochs: int) -> tuple[dict[str, Any], bool, Any]:
        """Figures of so many epochs that have ended, whether a callback ends the run, and weights that one has set."""
        history = self.history
        history.loss[-epochs:] = [self.evaluator.own_loss(loss) for loss in history.loss[-epochs:]]
        self.bar.epoch(history, self._validate())
        ended = call_callbacks(self.callbacks, self.network, history)
        return vars(history), ended, self._weights_of_callbacks()

    def _weights_of_callbacks(self) -> Any:
        """The weights, on the host, if callbacks have set them and other ranks are to have them."""
        after = self.trained.state
        if self.team.size == 1 or after is None or after is self.agreed:
            return None
        return on_host(after.parameters, self.placement)

    def _go_on_with_callbacks_weights(self, updates: int) -> None:
        """Give the weights that a callback has set to the next epoch; the optimizer keeps its slots."""
        trained, before, base = self.trained, self.agreed, self.base
        assert before is not None and trained.state is not None
        given, xp = trained.state.parameters, self.placement.xp
        trained.optimizer, trained.updates = self.plan.optimizer, updates
        for l in range(base.depth):
            pairs = zip(given[l], before.parameters[l], strict=True)
            if not all(bool(xp.all(new == old)) for new, old in pairs):
                trained.state = before
                raise ValueError(
                    f"a callback has set other weights for layer {l + 1}, which is frozen, as are those below it: what "
                    "they give is computed once, at the start of a run. Set them between two calls of "
                    "fit, or make the layer trainable"
                )
        trained.state = self.agreed = TrainState(given, before.slots)
        self.loop.given = base.state_above(trained.state)

    def _validate(self) -> float | None:
        """Add the validation figures to the history; the accuracy that the bar shows."""
        data, history, measures = self.data, self.history, self.settings.measures
        assert self.trained.state is not None
        parameters = self.trained.state.parameters
        if data.validation is None:
            shows = self.bar.visible and data.kind != "values"
            return self._training_accuracy(parameters) if shows else None
        figures = self.evaluator.figures(parameters, data.validation, data.kind, measures)
        for name in measures.directions:
            history.val_metrics.setdefault(name, []).append(figures[name])
        history.val_loss.append(figures["loss"])
        if "accuracy" in figures:
            history.val_accuracy.append(figures["accuracy"])
        return figures.get("accuracy")

    def _training_accuracy(self, parameters: Parameters) -> float:
        """The accuracy on the first of the training examples."""
        X, Y, _ = self.data.training
        first = slice(evaluation.CHUNK)
        X = X.take(first) if isinstance(X, SparseExamples) else columns(self.placement.xp, X, first)
        few = Examples(X, Y[:, first], None)
        if self.data.raw:
            few = self.pipeline.standardized_examples(few)
        return self.evaluator.figures(parameters, few, self.data.kind)["accuracy"]

    def _due(self) -> bool:
        if self.team.rank > 0:
            return False
        return self.checkpoints is not None and self.checkpoints.due(self.position.step, self.history)

    def _is_finite(self) -> bool:
        """Whether the weights are finite: the end of an epoch, which sees a divergence, may still be to come."""
        assert self.trained.state is not None
        numbers = [p for pair in self.trained.state.parameters for p in pair]
        return self.placement.backend.all_finite(numbers)

    def _write(self, *, finished: bool = False, wait: bool) -> None:
        """Write a checkpoint."""
        if self.team.rank > 0:
            return
        assert self.checkpoints is not None
        state = saved_run(self.position, self.history, self.callbacks, self.ended, self.placement)
        self.checkpoints.write(self.save(), state, finished=finished, wait=wait)

    def _finish(self, failed: bool) -> None:
        """The end of the run, also of one with an error."""
        state = self.trained.state
        self.bar.close()
        if self.loop.feed.windows is not None:
            self.loop.feed.windows.close()
        if self.team.broken:
            self._finish_callbacks()
        else:
            given = self.team.from_first(self._finish_callbacks)
            if self.team.rank > 0 and given is not None:
                self.network.set_parameters(given)
        if self.trained.state is not state and not failed:
            self.trained.before = None  # weights that callbacks leave are not taken back
        self.trained.run_id = None if self.checkpoints is None else self.checkpoints.id

    def _finish_callbacks(self) -> Any:
        """The weights, on the host, if the callbacks change them."""
        finish_callbacks(self.callbacks, self.network, self.history)
        return self._weights_of_callbacks()
