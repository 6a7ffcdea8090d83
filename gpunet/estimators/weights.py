"""The weights of an estimator: scikit-learn's attributes, and gpunet's parameters of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.devices.placement import Placement
from gpunet.estimators.initial import glorot_uniform
from gpunet.estimators.inputs import foreign_backend
from gpunet.estimators.interface import Estimator
from gpunet.estimators.parameters import ACTIVATION_NAMES
from gpunet.inputs.arrays import to_device_array

Array = Any


class Weights(Estimator):
    """The part of an estimator that has ``coefs_`` and ``intercepts_``."""

    def _start(self, sizes: list[int], activations: tuple[Any, ...], dtype: str) -> None:
        """Initial weights, and nothing trained yet."""
        self._forget_learned()
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        output, _ = self._output()
        self.out_activation_ = "logistic" if output == "sigmoid" else str(output)
        # Without hidden layers the range is that of the parameter, though no layer has it, as in scikit-learn.
        alone = ACTIVATION_NAMES.get(self.activation) if isinstance(self.activation, str) else None
        self.coefs_, self.intercepts_ = glorot_uniform(
            self._random_state, sizes, (*activations[:-1], alone), dtype
        )
        self._watched: str | None = None
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []

    def _require_sizes(self, sizes: list[int]) -> None:
        """Raise a ValueError if the layers have changed since the weights were made."""
        known = [self.coefs_[0].shape[0], *(one.shape[1] for one in self.coefs_)]
        if known != sizes:
            raise ValueError(
                f"the layers' sizes are {sizes}, the weights that training goes on from have {known}: "
                "fit with warm_start=False starts anew"
            )

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

    def _stays(self, X: Any) -> bool:
        """Whether the weights are arrays of the library of X, as it was given, and not NumPy's."""
        return self.backend == "auto" and foreign_backend(X) is not None
