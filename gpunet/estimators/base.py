"""What both estimators share: ``fit``."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from gpunet.core.layers import Dense
from gpunet.core.output import loss_for
from gpunet.core.plan import Plan
from gpunet.devices.placement import Placement, host_placement
from gpunet.devices.registry import backend_from_env
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.estimators import parameters
from gpunet.estimators.batches import Rows, on_placement, part
from gpunet.estimators.callbacks import required_callbacks
from gpunet.estimators.epochs import EpochTraining
from gpunet.estimators.inputs import foreign_backend, to_host
from gpunet.estimators.lbfgs import LBFGSTraining
from gpunet.inputs.arrays import to_device_array
from gpunet.inputs.dtypes import dtype_name

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


class BaseMLP(EpochTraining, LBFGSTraining):
    """See the two classes derived from it."""

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
        return self._fit(X, y, sample_weight, dict(vars(self)), incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, before: dict[str, Any], *, incremental: bool) -> Any:
        """Train; `before` are the attributes before the call, which are there again if it is refused."""
        with self._unchanged_by_errors(before):
            plan, placement, parts, in_place = self._prepared(X, y, sample_weight, incremental)
        with placement.context(), placement.backend.compiling(self.compile):
            if self.solver == "lbfgs":
                self._fit_lbfgs(plan, placement, parts[0], before, in_place)
            else:
                self._fit_epochs(plan, placement, parts, before, incremental, in_place)
        if not all(bool(np.isfinite(to_host(one)).all()) for one in (*self.coefs_, *self.intercepts_)):
            raise ValueError(NOT_FINITE)
        return self

    def _prepared(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool
    ) -> tuple[Plan, Placement, list[Rows], bool]:
        """Everything checked, and the initial weights drawn.

        Returns
        -------
        plan : Plan
        placement : Placement
        parts : list of Rows
            For training, and for validation if there is early stopping.
        in_place : bool
            Whether the weights stay where they were trained.
        """
        constraints = {**parameters.CONSTRAINTS, **self._constraints()}
        given = {name: getattr(self, name) for name in sorted(constraints)}
        parameters.check(type(self).__name__, given, constraints)
        hidden = parameters.layer_sizes(self.hidden_layer_sizes)
        required_callbacks(self)
        if all(asked for _, asked in self._learned().values()):
            raise ValueError("give encode or standardize, not both: the encoder standardises numbers itself")
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if not first:
            self._require_as_trained()
        X, y = self._checked(X, y, numeric=is_regressor(self), reset=first)
        m = X.shape[0]
        weights = self._checked_weights(sample_weight, m)
        placement = self._placement(X)
        Y = self._targets(y, first=first, incremental=incremental)
        output, loss = self._output()
        loss_for(Dense(Y.shape[1], output), loss)  # raises if they do not go together
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
            dtype = dtype_name(self.coefs_[0])
        if self.encode is None:
            split = self._split(m, Y)
        training = np.arange(m) if split is None else split[0]
        plan = self._plan(sizes, activations, dtype, len(training), weights is not None, is_sparse(X))
        placement = self._training_on(plan, placement, X)
        in_place = self._stays(X)
        with placement.context():
            X = on_placement(X, placement, dtype)
            X = self._standardized(X, placement, None if split is None else split[0], learn=first)
            rows = Rows(X, to_device_array("y", Y, placement, dtype), weights)
            parts = [rows] if split is None else [part(rows, one, placement) for one in split]
        return plan, placement, parts, in_place

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

    def _training_on(self, plan: Plan, placement: Placement, X: Any) -> Placement:
        """Where to train: data on the host go to a GPU that nobody named only if it has a program for the plan."""
        named = self.backend != "auto" or backend_from_env() is not None or foreign_backend(X) is not None
        if named or placement == host_placement():
            return placement
        has_program = self.solver != "lbfgs" and placement.backend.has_program(plan, placement.device)
        return placement if has_program else host_placement()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Not tags.array_api_support: arrays may come from any library that has a backend, and from another one in `fit`
        # than in `predict`, which scikit-learn's own estimators refuse.
        tags.input_tags.sparse = self.encode is None
        tags.input_tags.allow_nan = self.encode is not None
        return tags
