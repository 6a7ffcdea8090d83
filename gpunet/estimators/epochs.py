"""Training by epochs: the solvers adam and sgd, early stopping, and the loss curve."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning

from gpunet.core.plan import Plan
from gpunet.core.program import Program, TrainState
from gpunet.devices.placement import Placement, host_placement
from gpunet.estimators.batches import Epochs, Rows, columns_of, shuffled
from gpunet.estimators.callbacks import Callbacks, callbacks_of
from gpunet.estimators.prediction import Prediction
from gpunet.inputs.pipeline import Examples
from gpunet.training.divergence import is_finite
from gpunet.training.evaluation import Evaluation
from gpunet.training.programs import chosen_program
from gpunet.training.state import copied, moved, with_zero_slots


class EpochTraining(Prediction):
    """The part of an estimator that trains by epochs."""

    _no_improvement_count: int

    def _fit_epochs(
        self,
        plan: Plan,
        placement: Placement,
        parts: list[Rows],
        before: dict[str, Any],
        incremental: bool,
        in_place: bool,
    ) -> None:
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = self._make_solver()
        solver = self._optimizer
        plan = replace(plan, optimizer=solver.rule)  # of the first call of several, as in scikit-learn
        state = with_zero_slots(self._parameters(placement, plan.dtype), plan.optimizer.slots, placement)
        if solver.slots is not None:
            state = moved(TrainState(state.parameters, solver.slots), placement, plan.dtype)
        run, reason, _ = chosen_program(plan, placement)
        with self._unchanged_by_errors(before):
            callbacks = callbacks_of(self, plan, placement, run.name, reason)
        if callbacks is not None and callbacks.start is not None:
            state = state._replace(parameters=callbacks.start)
        self._start_watching()
        best, validation = state.parameters, Evaluation(placement, plan.activations)
        all_inputs = Epochs(plan, placement, parts[0], self.alpha)
        order = np.arange(plan.examples, dtype=np.int32)
        epochs = 1 if incremental else self.max_iter
        self.n_iter_ = 0
        try:
            while self.n_iter_ < epochs:
                if self.shuffle:
                    order = shuffled(order, self._random_state)
                # A sum over all examples has no order.
                used = order if self.shuffle and plan.steps > 1 else None
                left = epochs - self.n_iter_
                state = self._run_epoch(plan, placement, run, all_inputs, state, used, left)
                solver.slots = state.slots
                if self._watch(validation, state, parts):
                    best = copied(placement.xp, state.parameters)  # alone: views would keep all of a state
                ended, given = False, None
                # They are given a network, and its weights are finite.
                if callbacks is not None and is_finite(placement.backend, state):
                    ended, given = self._called(callbacks, plan, validation, state, parts, run)
                if given is not None:  # the next epoch begins with them
                    state = state._replace(parameters=given)
                solver.epoch_ends(self.t_)
                converged = False
                if self._no_improvement_count > self.n_iter_no_change:
                    action = solver.stops()
                    if self.verbose:
                        print(f"{self._no_improvement()} {action}")
                    converged = action.endswith("Stopping.")
                    if not converged:
                        self._no_improvement_count = 0
                state = state._replace(slots=solver.slots)  # rescaled if the learning rate has changed
                if (
                    converged
                    or ended
                    or not (math.isfinite(self.loss_) or is_finite(placement.backend, state))
                ):
                    break  # weights that are not finite stay so
                if self.n_iter_ == epochs and not incremental:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                        "hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        except BaseException:
            if callbacks is not None:
                callbacks.finish()
            raise
        run.finish()
        self.program_ = run.name
        solver.slots = moved(state, host_placement(), plan.dtype).slots
        # Without a score that is a number, none were the best.
        if not self.early_stopping or self.best_validation_score_ == -np.inf:
            best = state.parameters
        if callbacks is not None:
            best = callbacks.finish() or best
        self.coefs_, self.intercepts_ = self._fitted_arrays(best, placement, in_place)

    def _start_watching(self) -> None:
        """Forget the best loss or score, once there is none of the kind that is watched."""
        watched = "validation scores" if self.early_stopping else "losses"
        if getattr(self, "_watched", None) == watched:
            return
        self._watched = watched
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_ = []
        if self.early_stopping:
            self.validation_scores_: Any = []
            self.best_validation_score_: Any = -np.inf
            self.best_loss_: Any = None
        else:
            self.best_loss_ = np.inf
            self.validation_scores_ = self.best_validation_score_ = None

    def _run_epoch(
        self,
        plan: Plan,
        placement: Placement,
        run: Program,
        epochs: Epochs,
        state: TrainState,
        order: Any,
        left: int,
    ) -> TrainState:
        """One epoch, of so many that are left; its loss goes into the curve."""
        keys = None
        if plan.uses_dropout:
            keys = self._random_state.randint(-(2**31), 2**31, (plan.steps, len(plan.layers)), dtype=np.int32)
        inputs = epochs.inputs(self._optimizer.coefficients(plan.steps), order, keys, left)
        before, to_host = state, placement.backend.to_host
        with np.errstate(all="ignore"):
            state, losses = run(state, inputs)
        J = float(np.dot(to_host(losses).astype(np.float64), epochs.sizes) / plan.examples)
        if plan.loss == "squared_error" and self.n_outputs_ > 1:
            # scikit-learn reports the mean loss of the outputs, though it descends along the gradient of their sum.
            penalty = 0.0
            if plan.penalized:
                strength = float(np.dot(to_host(inputs.coefficients)[:, -1], epochs.sizes) / plan.examples)
                penalty = strength * _mean_half_squares(placement.xp, before, state, plan.steps)
            J = (J - penalty) / self.n_outputs_ + penalty
        self.n_iter_ += 1
        self.t_ += plan.examples
        self.loss_ = J
        self.loss_curve_.append(J)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {J:.8f}")
        return state

    def _watch(self, validation: Evaluation, state: TrainState, parts: list[Rows]) -> bool:
        """Count the epochs in which loss or score did not improve; whether these weights are the best by score."""
        if not self.early_stopping:
            worse = self.loss_ > self.best_loss_ - self.tol
            self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
            if self.loss_ < self.best_loss_:
                self.best_loss_ = self.loss_
            return False
        score = self._score_of(validation, state, parts[1])
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        worse = score < self.best_validation_score_ + self.tol
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
        if not score > self.best_validation_score_:  # NaN is never better
            return False
        self.best_validation_score_ = score
        return True

    def _called(
        self,
        callbacks: Callbacks,
        plan: Plan,
        validation: Evaluation,
        state: TrainState,
        parts: list[Rows],
        run: Program,
    ) -> tuple[bool, Any]:
        """Call the callbacks: whether one of them ends the run, and the weights that they have set, or None."""
        figures, placement = {}, validation.placement
        if self.early_stopping:
            X, Y, _ = parts[1]
            several = self.out_activation_ == "softmax"
            kind = "values" if is_regressor(self) else "classes" if several else "labels"
            examples = Examples(columns_of(X, placement), Y.T, None)
            figures = validation.figures(plan.loss, state.parameters, examples, kind)
        callbacks.history.program = run.name
        answer = callbacks.epoch(state.parameters, self.loss_, self._optimizer.rate, figures)
        change = callbacks.rate_change()
        if change != 1.0:
            self._optimizer.multiply_rate(change)
        return answer

    def _score_of(self, validation: Evaluation, state: TrainState, rows: Rows) -> float:
        placement = validation.placement
        to_host = placement.backend.to_host
        A = to_host(validation.outputs(state.parameters, columns_of(rows.X, placement)))
        if not np.isfinite(A).all():
            return math.nan
        return float(self._validation_score(A, to_host(rows.Y), rows.weights))

    def _no_improvement(self) -> str:
        watched = "Validation score" if self.early_stopping else "Training loss"
        return f"{watched} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."


def _mean_half_squares(xp: Any, before: TrainState, after: TrainState, steps: int) -> float:
    """``½ Σ W²``, the mean over the weights that an epoch's steps begin with, as if it changed evenly."""
    first, last = (0.5 * sum(float(xp.sum(W * W)) for W, _ in one.parameters) for one in (before, after))
    return first + (last - first) * (steps - 1) / (2 * steps)
