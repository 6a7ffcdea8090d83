"""L-BFGS on all examples at once: SciPy's, on gpunet's gradients."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from gpunet.core.penalty import add_gradients, penalty
from gpunet.core.plan import Plan
from gpunet.devices.placement import Placement
from gpunet.devices.reused_memory import keep_freed_memory
from gpunet.estimators.batches import Rows, columns_of
from gpunet.estimators.callbacks import callbacks_of
from gpunet.estimators.inputs import to_host
from gpunet.estimators.prediction import Prediction
from gpunet.inputs.pipeline import Examples
from gpunet.training.evaluation import gradients

Array = Any

ENDED_BY_CALLBACK = 99  # SciPy's status
SMALL = 4e8  # multiplications of J and its gradient, below which one core is faster than two


class Cost:
    """``J(θ)`` and its gradient for all examples, θ being every weight and bias in a row, as scikit-learn has them.

    Parameters
    ----------
    plan : Plan
    placement : Placement
    rows : Rows
        Their weights scaled to a mean of 1.
    strength : float
        λ of the L2 penalty.
    """

    def __init__(self, plan: Plan, placement: Placement, rows: Rows, strength: float) -> None:
        self.plan, self.placement, self.strength = plan, placement, strength
        weights = rows.weights
        if weights is not None:
            weights = placement.to_device(weights.astype(plan.dtype)[None, :])
        self.examples = Examples(columns_of(rows.X, placement), rows.Y.T, weights)

    def __call__(self, theta: Any) -> tuple[float, Any]:
        """J, and its gradient in the order of θ."""
        xp, plan = self.placement.xp, self.plan
        parameters = self.parameters(theta)
        # In chunks: the activations of all examples would take much memory.
        J, of_loss = gradients(xp, plan.activations, plan.loss, parameters, self.examples, in_chunks=True)
        if not self.strength:
            return J, self._row(of_loss)
        J += self._penalty(parameters)
        return J, self._row(add_gradients(of_loss, parameters, self.strength))

    def reported(self, J: float, theta: Any) -> float:
        """J as the loss of an estimator: of several outputs' squared errors the mean, as scikit-learn reports it."""
        outputs = self.plan.layers[-1].units
        if self.plan.loss != "squared_error" or outputs == 1:
            return J
        of_weights = self._penalty(self.parameters(theta)) if self.strength else 0.0
        return (J - of_weights) / outputs + of_weights

    def parameters(self, theta: Any) -> list[tuple[Array, Array]]:
        """θ as ``[(W, b)]`` on the placement."""
        coefs, intercepts = unpacked(theta, self.plan)
        to_device = self.placement.to_device
        return [
            (
                to_device(W.astype(self.plan.dtype, copy=False)).T,
                to_device(b.astype(self.plan.dtype, copy=False))[:, None],
            )
            for W, b in zip(coefs, intercepts, strict=True)
        ]

    def _penalty(self, parameters: Any) -> float:
        return float(penalty(self.placement.xp, parameters, self.strength))

    def _row(self, gradients: Any) -> Any:
        to_host = self.placement.backend.to_host
        return packed([to_host(dW).T for dW, _ in gradients], [to_host(db) for _, db in gradients])


def packed(coefs: Sequence[Any], intercepts: Sequence[Any]) -> Any:
    """θ: all weights, then all biases, in a row of float64."""
    return np.concatenate([one.ravel() for one in (*coefs, *intercepts)], dtype=np.float64)


def unpacked(theta: Any, plan: Plan) -> tuple[list[Any], list[Any]]:
    """The reverse, as views."""
    coefs, intercepts, at = [], [], 0
    for layer in plan.layers:
        size = layer.weights
        coefs.append(theta[at : at + size].reshape(layer.inputs, layer.units))
        at += size
    for layer in plan.layers:
        intercepts.append(theta[at : at + layer.units])
        at += layer.units
    return coefs, intercepts


class LBFGSTraining(Prediction):
    """The part of an estimator that trains with the solver lbfgs."""

    def _fit_lbfgs(
        self, plan: Plan, placement: Placement, rows: Rows, before: dict[str, Any], in_place: bool
    ) -> None:
        total = float(plan.examples)
        if rows.weights is not None:
            total = float(rows.weights.sum())
            rows = rows._replace(weights=rows.weights * (plan.examples / total))
        cost = Cost(plan, placement, rows, self.alpha / total)
        self.program_ = "SciPy's L-BFGS"
        with self._unchanged_by_errors(before):
            callbacks = callbacks_of(self, plan, placement, self.program_, "the solver is 'lbfgs'")
        self.n_iter_ = 0
        left: Any = None

        def iteration(intermediate_result: Any) -> None:
            nonlocal left
            self.n_iter_ += 1
            self.loss_ = cost.reported(float(intermediate_result.fun), intermediate_result.x)
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
            if callbacks is None:
                return
            ended, left = callbacks.epoch(cost.parameters(intermediate_result.x), self.loss_, None, {})
            if ended:
                raise StopIteration
            if left is not None:
                raise ValueError(
                    "a callback has set other weights, but the solver 'lbfgs' can't go on with them: its steps are "
                    "those of one search. Use 'adam' or 'sgd', or set them in the callback's start or finish"
                )

        start = None if callbacks is None else callbacks.start
        coefs, intercepts = (
            self._fitted_arrays(start, placement, False) if start else (self.coefs_, self.intercepts_)
        )
        theta = packed([to_host(one) for one in coefs], [to_host(one) for one in intercepts])
        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        watch = iteration if callbacks or self.verbose else None  # SciPy makes copies for one
        search = partial(minimize, method="L-BFGS-B", jac=True, options=options, callback=watch)
        keep_freed_memory()
        work = 3 * plan.examples * plan.weights
        if work < SMALL:  # threads of BLAS would wait for each other more than they compute
            search = partial(placement.backend.on_one_core, search)
        try:
            result = search(cost, theta)
        except BaseException:
            if callbacks is not None:
                callbacks.finish()
            raise
        self.n_iter_, self.loss_ = int(result.nit), cost.reported(float(result.fun), result.x)
        pairs = left or cost.parameters(result.x)
        if callbacks:
            pairs = callbacks.finish() or pairs
        self.coefs_, self.intercepts_ = self._fitted_arrays(pairs, placement, in_place)
        if result.status not in (0, ENDED_BY_CALLBACK):
            more = f" Increase max_iter={self.max_iter}." if self.n_iter_ == self.max_iter else ""
            warnings.warn(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s) (status={result.status}): "
                f"{result.message}.{more} Scaling the data may help too: standardize=True.",
                ConvergenceWarning,
                stacklevel=4,
            )
