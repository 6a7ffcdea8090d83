"""What both estimators share: fitting by epochs or by L-BFGS, and the forward pass."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gpunet.core.layers import Dense, Dropout
from gpunet.core.optimizers import GradientDescent, Optimizer
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import Program, TrainState, unsupported_input
from gpunet.core.reference import Reference
from gpunet.devices.placement import Placement, host_placement
from gpunet.devices.registry import backend_from_env
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.estimators import lbfgs, parameters
from gpunet.estimators.batches import Rows, columns_of, epoch, epoch_inputs, shuffled
from gpunet.estimators.callbacks import Callbacks
from gpunet.estimators.initial import glorot_uniform
from gpunet.estimators.inputs import InputChecks, foreign_backend, to_host
from gpunet.estimators.optimizers import AdamSolver, SGDSolver
from gpunet.inputs.arrays import to_device_array
from gpunet.inputs.fit_data import Examples
from gpunet.inputs.sparse_rows import checked_sparse_rows
from gpunet.network import Network
from gpunet.tables.target import Target
from gpunet.training import evaluation
from gpunet.training.callbacks import checked_callbacks, require_monitored
from gpunet.training.history import History
from gpunet.training.state import moved, with_zero_slots

Array = Any

AUTO_BATCH = 200
ENDED_BY_CALLBACK = 99  # SciPy's status
NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


def has_epochs(estimator: Any) -> bool:
    """Whether ``partial_fit`` is there."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for the solvers 'adam' and 'sgd', not for 'lbfgs'."
        )
    return True


class BaseMLP(InputChecks, BaseEstimator, ABC):  # type: ignore[misc]
    """See the two classes derived from it."""

    loss: Any

    # --- what a classifier and a regressor differ in ----------------------------------------------

    @abstractmethod
    def _targets(self, y: Any, *, first: bool, incremental: bool) -> Any:
        """Y as numbers ``(m, n[L])``, as the loss takes them; sets what is known of the targets."""

    @abstractmethod
    def _output(self) -> tuple[Any, Any]:
        """Activation of the output, and the loss."""

    @abstractmethod
    def _validation_score(self, A: Any, Y: Any, weights: Any) -> float:
        """The score of outputs on the validation set, rows on the host."""

    def _target(self) -> Target | None:
        """What a network's targets mean; None for numbers."""
        return None

    @abstractmethod
    def _constraints(self) -> dict[str, list[parameters.Allowed]]:
        """Those of the parameters that the other estimator lacks."""

    # --- fitting ------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train on all of X and y.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame, ``(m, n)``
        y : array, ``(m,)`` or ``(m, n[L])``
        sample_weight : array ``(m,)`` or None
            Weight of each example.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad input, and if a weight is no longer finite.
        ConvergenceWarning
            If `max_iter` epochs or iterations were not enough.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Any:
        given = self.get_params(deep=False)
        parameters.check(type(self).__name__, given, {**parameters.CONSTRAINTS, **self._constraints()})
        hidden = np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist()
        if any(size <= 0 for size in hidden):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y = self._checked(X, y, numeric=is_regressor(self), reset=first)
        m = X.shape[0]
        weights = self._checked_weights(sample_weight, m)
        placement = self._placement(X)
        Y = self._targets(y, first=first, incremental=incremental)
        weights = self._class_weighted(y, weights)
        self.n_outputs_ = Y.shape[1]
        self._random_state = check_random_state(self.random_state)
        split = None
        if self.encode is not None:
            split = self._split(m, Y)
            X = self._encoded(X, None if split is None else split[0], self._compute_dtype(None), learn=first)
        sizes = [int(X.shape[1]), *hidden, self.n_outputs_]
        dtype = self._compute_dtype(X) if placement.has_float64() else "float32"
        activations = self._activations(len(hidden))
        if first:
            self._start(sizes, activations, dtype)
        else:
            self._require_sizes(sizes)
            dtype = str(self.coefs_[0].dtype).rpartition(".")[2]
        if self.encode is None:
            split = self._split(m, Y)
        training = np.arange(m) if split is None else split[0]
        plan = self._plan(sizes, activations, dtype, len(training), weights is not None, is_sparse(X))
        placement = self._training_on(plan, placement, X)
        with placement.context(), placement.backend.compiling(self.compile):
            X = _on_placement(X, placement, dtype)
            X = self._standardized(X, placement, None if split is None else split[0], learn=first)
            rows = Rows(X, to_device_array("y", Y, placement, dtype), weights)
            parts = [rows] if split is None else [_part(rows, one, placement) for one in split]
            if self.solver == "lbfgs":
                self._fit_lbfgs(plan, placement, parts[0])
            else:
                self._fit_epochs(plan, placement, parts, incremental)
        if not all(bool(np.isfinite(to_host(one)).all()) for one in (*self.coefs_, *self.intercepts_)):
            raise ValueError(NOT_FINITE)
        return self

    def _start(self, sizes: list[int], activations: tuple[Any, ...], dtype: str) -> None:
        """Initial weights, and nothing trained yet."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        output, _ = self._output()
        self.out_activation_ = "logistic" if output == "sigmoid" else str(output)
        self.coefs_, self.intercepts_ = glorot_uniform(
            self._random_state, sizes, (*activations[:-1], None), dtype
        )
        self._watched: str | None = None
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []

    def _start_watching(self) -> None:
        """Forget the best loss or score, once there is none of the kind that is watched."""
        watched = "validation scores" if self.early_stopping else "losses"
        if getattr(self, "_watched", None) == watched:
            return
        self._watched = watched
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_ = []
        self._no_improvement_count = 0
        if self.early_stopping:
            self.validation_scores_: Any = []
            self.best_validation_score_: Any = -np.inf
            self.best_loss_: Any = None
        else:
            self.best_loss_ = np.inf
            self.validation_scores_ = self.best_validation_score_ = None

    def _require_sizes(self, sizes: list[int]) -> None:
        """Raise a ValueError if the layers have changed since the weights were made."""
        known = [self.coefs_[0].shape[0], *(one.shape[1] for one in self.coefs_)]
        if known != sizes:
            raise ValueError(
                f"the layers' sizes are {sizes}, the weights that training goes on from have {known}: "
                "warm_start=False starts anew"
            )

    def _split(self, m: int, Y: Any) -> Any:
        """Rows for training and for validation, or None without early stopping."""
        if not self.early_stopping or self.solver == "lbfgs":
            return None
        training, validation = train_test_split(
            np.arange(m),
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=self._strata(Y),
        )
        if len(validation) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return training, validation

    def _strata(self, Y: Any) -> Any:
        """What the split keeps the shares of; None for nothing."""
        return None

    def _class_weighted(self, y: Any, weights: Any) -> Any:
        """Weights of examples times those of their classes."""
        return weights

    # --- the network that is trained ----------------------------------------------------------------

    def _activations(self, hidden: int) -> tuple[Any, ...]:
        """Each layer's activation, by gpunet's names."""
        given = self.activation
        each = list(given) if isinstance(given, list | tuple | np.ndarray) else [given] * hidden
        if len(each) != hidden:
            raise ValueError(
                f"activation has {len(each)} entries, there are {hidden} hidden layers: give one for each"
            )
        return (*(parameters.ACTIVATION_NAMES.get(one, one) for one in each), self._output()[0])

    def _dropouts(self, hidden: int) -> list[float]:
        """The rate at which each layer's inputs are dropped: those of the first never are."""
        given = self.dropout
        each = list(given) if isinstance(given, list | tuple | np.ndarray) else [given] * hidden
        if len(each) != hidden:
            raise ValueError(
                f"dropout has {len(each)} entries, there are {hidden} hidden layers: give one for each"
            )
        if any(each) and self.solver == "lbfgs":
            raise ValueError(
                "dropout is for the solvers 'adam' and 'sgd': 'lbfgs' follows one and the same loss"
            )
        return [0.0, *(float(rate) for rate in each)]

    def _plan(
        self,
        sizes: list[int],
        activations: tuple[Any, ...],
        dtype: str,
        examples: int,
        weighted: bool,
        sparse: bool,
    ) -> Plan:
        rates = self._dropouts(len(sizes) - 2)
        layers = tuple(Layer(sizes[l], sizes[l + 1], activations[l], rates[l]) for l in range(len(sizes) - 1))
        optimizer: Optimizer = GradientDescent() if self.solver == "lbfgs" else self._make_solver().rule
        return Plan(
            layers,
            self._output()[1],
            optimizer,
            examples,
            self._batch_size(examples),
            dtype,
            weighted,
            penalized=self.alpha > 0,
            sparse=sparse,
        )

    def _batch_size(self, examples: int) -> int:
        if self.solver == "lbfgs":
            return examples
        if isinstance(self.batch_size, str):
            return min(AUTO_BATCH, examples)
        if self.batch_size > examples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=4,
            )
        return int(min(self.batch_size, examples))

    def _make_solver(self) -> AdamSolver | SGDSolver:
        if self.solver == "adam":
            return AdamSolver(self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        return SGDSolver(
            self.learning_rate_init, self.learning_rate, self.momentum, self.nesterovs_momentum, self.power_t
        )

    def _training_on(self, plan: Plan, placement: Placement, X: Any) -> Placement:
        """Where to train: data on the host go to a GPU that nobody named only if it has a program for the plan."""
        named = self.backend != "auto" or backend_from_env() is not None or foreign_backend(X) is not None
        if named or placement == host_placement():
            return placement
        has_program = (
            self.solver != "lbfgs" and placement.backend.program_for(plan, placement.device)[0] is not None
        )
        return placement if has_program else host_placement()

    def _parameters(self, placement: Placement, dtype: str) -> list[tuple[Array, Array]]:
        """``[(W, b)]`` on a placement, from :attr:`coefs_` and :attr:`intercepts_`."""
        return [
            (
                to_device_array("coefs_", W, placement, dtype).T,
                to_device_array("intercepts_", b, placement, dtype)[:, None],
            )
            for W, b in zip(self.coefs_, self.intercepts_, strict=True)
        ]

    def _fitted_arrays(
        self, pairs: Any, placement: Placement, in_place: bool
    ) -> tuple[list[Array], list[Array]]:
        """``coefs_`` and ``intercepts_`` of ``[(W, b)]``: NumPy's, or `in_place` those of the placement."""
        if in_place:
            xp = placement.xp
            return [xp.asarray(W.T, copy=True) for W, _ in pairs], [
                xp.asarray(b[:, 0], copy=True) for _, b in pairs
            ]
        host = placement.backend.to_host
        return (
            [np.array(host(W).T, order="C") for W, _ in pairs],
            [np.array(host(b)[:, 0]) for _, b in pairs],
        )

    # --- epochs -------------------------------------------------------------------------------------

    def _fit_epochs(self, plan: Plan, placement: Placement, parts: list[Rows], incremental: bool) -> None:
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = self._make_solver()
        solver = self._optimizer
        state = with_zero_slots(self._parameters(placement, plan.dtype), plan.optimizer.slots, placement)
        if solver.slots is not None:
            state = moved(TrainState(state.parameters, solver.slots), placement, plan.dtype)
        program, reason = placement.backend.program_for(plan, placement.device)
        unread = None if program is None else unsupported_input(program, plan)
        run = program if program is not None and unread is None else Reference(placement.xp, plan)
        callbacks = self._callbacks(plan, placement, run.name, reason)
        self._start_watching()
        best = state.parameters
        order = np.arange(plan.examples, dtype=np.int32)
        epochs = 1 if incremental else self.max_iter
        self.n_iter_ = 0
        try:
            while self.n_iter_ < epochs:
                if self.shuffle:
                    order = shuffled(order, self._random_state)
                # A sum over all examples has no order.
                used = order if self.shuffle and plan.steps > 1 else None
                state = self._run_epoch(plan, placement, run, parts[0], state, used)
                solver.slots = state.slots
                if self._watch(placement, state, parts, plan):
                    best = state.parameters  # programs return new arrays: these stay as they are
                ended = callbacks is not None and self._ended(callbacks, plan, placement, state, parts, run)
                solver.epoch_ends(self.t_)
                if self._no_improvement_count > self.n_iter_no_change:
                    action = solver.stops()
                    if self.verbose:
                        print(f"{self._no_improvement()} {action}")
                    if action.endswith("Stopping."):
                        break
                    self._no_improvement_count = 0
                state = state._replace(slots=solver.slots)  # rescaled if the learning rate has changed
                if ended or not (math.isfinite(self.loss_) or _finite(placement, state)):
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
        self.program_ = run.name
        solver.slots = moved(state, host_placement(), plan.dtype).slots
        best = best if self.early_stopping else state.parameters
        if callbacks is not None:
            best = callbacks.finish() or best
        self.coefs_, self.intercepts_ = self._fitted_arrays(best, placement, self._stays(parts[0].X))

    def _stays(self, X: Any) -> bool:
        """Whether the weights are arrays of X's library, and not NumPy's."""
        return self.backend == "auto" and foreign_backend(X) is not None

    def _callbacks(self, plan: Plan, placement: Placement, program: str, reason: str) -> Callbacks | None:
        """The callbacks of this run; None without any."""
        callbacks = checked_callbacks(self.callbacks)
        if not callbacks:
            return None
        validated = self.early_stopping and self.solver != "lbfgs"
        kind = "classes" if is_classifier(self) else "values"
        require_monitored(callbacks, validated, kind, metrics={})
        history = History(
            examples=plan.examples,
            program=program,
            reason=reason,
            backend=placement.backend.name,
            device=placement.device,
        )
        network = self.to_network(f"{placement.backend.name}:{placement.device}")
        return Callbacks(callbacks, network, history)

    def _run_epoch(
        self, plan: Plan, placement: Placement, run: Program, rows: Rows, state: TrainState, order: Any
    ) -> TrainState:
        """One epoch; its loss goes into the curve."""
        keys = None
        if plan.uses_dropout:
            keys = self._random_state.randint(-(2**31), 2**31, (plan.steps, len(plan.layers)), dtype=np.int32)
        drawn = epoch(plan, self._optimizer.coefficients(plan.steps), self.alpha, order, rows.weights, keys)
        before = state
        with np.errstate(all="ignore"):
            state, on_device = run(state, epoch_inputs(plan, placement, rows, drawn))
        losses = placement.backend.to_host(on_device)
        sizes = np.full(plan.steps, plan.batch_size)
        sizes[-1] = plan.examples - plan.batch_size * (plan.steps - 1)
        J = float(np.dot(losses.astype(np.float64), sizes) / plan.examples)
        if plan.loss == "squared_error" and self.n_outputs_ > 1:
            # scikit-learn reports the mean loss of the outputs, though it descends along the gradient of their sum.
            penalty = 0.0
            if plan.penalized:
                strength = float(np.dot(drawn.coefficients[:, -1], sizes) / plan.examples)
                penalty = strength * _mean_half_squares(placement.xp, before, state, plan.steps)
            J = (J - penalty) / self.n_outputs_ + penalty
        self.n_iter_ += 1
        self.t_ += plan.examples
        self.loss_ = J
        self.loss_curve_.append(J)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {J:.8f}")
        return state

    def _watch(self, placement: Placement, state: TrainState, parts: list[Rows], plan: Plan) -> bool:
        """Count the epochs in which loss or score did not improve; whether these weights are the best by score."""
        if not self.early_stopping:
            worse = self.loss_ > self.best_loss_ - self.tol
            self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
            if self.loss_ < self.best_loss_:
                self.best_loss_ = self.loss_
            return False
        score = self._score_of(placement, state, parts[1], plan)
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        worse = score < self.best_validation_score_ + self.tol
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
        if not score > self.best_validation_score_:  # NaN is never better
            return False
        self.best_validation_score_ = score
        return True

    def _ended(
        self,
        callbacks: Callbacks,
        plan: Plan,
        placement: Placement,
        state: TrainState,
        parts: list[Rows],
        run: Program,
    ) -> bool:
        """Call the callbacks; whether one of them ends the run."""
        figures = {}
        if self.early_stopping:
            X, Y, _ = parts[1]
            several = self.out_activation_ == "softmax"
            kind = "values" if is_regressor(self) else "classes" if several else "labels"
            figures = evaluation.evaluate(
                placement.xp,
                plan.activations,
                plan.loss,
                state.parameters,
                Examples(columns_of(X, placement), Y.T, None),
                kind,
            )
        callbacks.history.program = run.name
        return callbacks.epoch(state.parameters, self.loss_, self._optimizer.learning_rate, figures)

    def _score_of(self, placement: Placement, state: TrainState, rows: Rows, plan: Plan) -> float:
        to_host = placement.backend.to_host
        A = to_host(_outputs(placement, plan.activations, state.parameters, rows.X))
        if not np.isfinite(A).all():
            return math.nan
        return float(self._validation_score(A, to_host(rows.Y), rows.weights))

    def _no_improvement(self) -> str:
        watched = "Validation score" if self.early_stopping else "Training loss"
        return f"{watched} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."

    # --- L-BFGS -------------------------------------------------------------------------------------

    def _fit_lbfgs(self, plan: Plan, placement: Placement, rows: Rows) -> None:
        total = float(plan.examples)
        if rows.weights is not None:
            total = float(rows.weights.sum())
            rows = rows._replace(weights=rows.weights * (plan.examples / total))
        cost = lbfgs.Cost(plan, placement, rows, self.alpha / total)
        self.program_ = "SciPy's L-BFGS"
        callbacks = self._callbacks(plan, placement, self.program_, "the solver is 'lbfgs'")
        self.n_iter_ = 0

        def iteration(intermediate_result: Any) -> None:
            self.n_iter_ += 1
            self.loss_ = float(intermediate_result.fun)
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
            if callbacks and callbacks.epoch(cost.parameters(intermediate_result.x), self.loss_, None, {}):
                raise StopIteration

        host = [to_host(one) for one in (*self.coefs_, *self.intercepts_)]
        theta = lbfgs.packed(host[: len(self.coefs_)], host[len(self.coefs_) :])
        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        result = minimize(cost, theta, method="L-BFGS-B", jac=True, options=options, callback=iteration)
        self.n_iter_, self.loss_ = int(result.nit), float(result.fun)
        pairs = cost.parameters(result.x)
        if callbacks:
            pairs = callbacks.finish() or pairs
        self.coefs_, self.intercepts_ = self._fitted_arrays(pairs, placement, self._stays(rows.X))
        if result.status not in (0, ENDED_BY_CALLBACK):
            more = f" Increase max_iter={self.max_iter}." if self.n_iter_ == self.max_iter else ""
            warnings.warn(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s) (status={result.status}): "
                f"{result.message}.{more} Scaling the data may help too: standardize=True.",
                ConvergenceWarning,
                stacklevel=4,
            )

    # --- as a network ---------------------------------------------------------------------------------

    def to_network(self, backend: str | None = None) -> Network:
        """The weights as a :class:`gpunet.Network`, which can be saved, drawn and trained on; copies.

        Its outputs are those of ``predict_proba`` or ``predict``; for two classes the second one's probability. Labels
        become its class names.

        Parameters
        ----------
        backend : str or None
            Of the network; None takes the estimator's.
        """
        check_is_fitted(self, "coefs_")
        activations = self._activations(len(self.coefs_) - 1)
        layers: list[Dense | Dropout] = []
        for b, activation, rate in zip(
            self.intercepts_, activations, self._dropouts(len(self.coefs_) - 1), strict=True
        ):
            layers += [Dropout(rate)] if rate else []
            layers.append(Dense(int(b.shape[0]), activation))
        dtype = str(self.coefs_[0].dtype).rpartition(".")[2]
        network = Network(
            layers,
            self._output()[1],
            backend=backend or self.backend,
            dtype=dtype,
            standardizer=getattr(self, "standardizer_", None),
            encoder=getattr(self, "encoder_", None),
            seed=0,
        )
        network.target = self._target()
        network.set_parameters(
            [(to_host(W).T, to_host(b)[:, None]) for W, b in zip(self.coefs_, self.intercepts_, strict=True)]
        )
        return network

    # --- prediction -----------------------------------------------------------------------------------

    def _forward(self, X: Any) -> tuple[Any, Placement]:
        """The outputs ``(m, n[L])`` of X, and where they are."""
        check_is_fitted(self)
        X = self._checked_X(X, reset=False)
        placement = self._predicting_on(X)
        dtype = str(self.coefs_[0].dtype).rpartition(".")[2]
        X = self._encoded(X, None, dtype, learn=False)
        with placement.context():
            X = _on_placement(X, placement, dtype)
            X = self._standardized(X, placement, None, learn=False)
            activations = self._activations(len(self.coefs_) - 1)
            parameters = self._parameters(placement, dtype)
            return _outputs(placement, activations, parameters, X), placement

    def _given_back(self, A: Any, placement: Placement, X: Any) -> Any:
        """An array in the library and on the device of X; NumPy's for data on the host."""
        source = foreign_backend(X)
        if source is placement.backend:
            return source.move(A, source.device_of(X))
        host = placement.backend.to_host(A)
        return host if source is None else source.from_host(np.ascontiguousarray(host), source.device_of(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Not tags.array_api_support: arrays may come from any library that has a backend, and from another one in `fit`
        # than in `predict`, which scikit-learn's own estimators refuse.
        tags.input_tags.sparse = self.encode is None
        tags.input_tags.allow_nan = self.encode is not None
        return tags


def _mean_half_squares(xp: Any, before: TrainState, after: TrainState, steps: int) -> float:
    """``½ Σ W²``, the mean over the weights that an epoch's steps begin with, as if it changed evenly."""
    first, last = (0.5 * sum(float(xp.sum(W * W)) for W, _ in one.parameters) for one in (before, after))
    return first + (last - first) * (steps - 1) / (2 * steps)


def _finite(placement: Placement, state: TrainState) -> bool:
    """Whether all weights are finite."""
    xp = placement.xp
    return all(bool(xp.all(xp.isfinite(one))) for pair in state.parameters for one in pair)


def _part(rows: Rows, chosen: Any, placement: Placement) -> Rows:
    """Some of the rows."""
    index = placement.to_device(chosen)
    X = rows.X[chosen] if is_sparse(rows.X) else placement.xp.take(rows.X, index, axis=0)
    weights = None if rows.weights is None else rows.weights[chosen]
    return Rows(X, placement.xp.take(rows.Y, index, axis=0), weights)


def _on_placement(X: Any, placement: Placement, dtype: str) -> Any:
    """X as it is trained on: an array of the placement, or checked sparse rows on the host."""
    if is_sparse(X):
        return checked_sparse_rows("X", X, dtype, None)
    return to_device_array("X", X, placement, dtype)


def _outputs(placement: Placement, activations: Any, parameters: Any, X: Any) -> Array:
    """``A[L]`` as rows."""
    return evaluation.outputs(placement.xp, activations, parameters, columns_of(X, placement))
