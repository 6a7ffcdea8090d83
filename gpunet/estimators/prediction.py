"""What a fitted estimator's weights are for: its outputs, and a network with them."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from gpunet.core.layers import Dense, Dropout
from gpunet.devices.placement import Placement
from gpunet.devices.sharing import moved_to, writable
from gpunet.estimators.batches import on_placement, outputs
from gpunet.estimators.inputs import foreign_backend, to_host
from gpunet.estimators.settings import Settings
from gpunet.estimators.weights import Weights
from gpunet.inputs.dtypes import dtype_name
from gpunet.network import Network


class Prediction(Settings, Weights):
    """The part of an estimator that uses its weights."""

    def to_network(self, backend: str | None = None) -> Network:
        """The weights as a :class:`gpunet.Network`, which can be saved, drawn and trained on; copies.

        Its outputs are those of ``predict_proba`` or ``predict``; for two classes the second one's probability. Labels
        become its class names, whole numbers without a point.

        Parameters
        ----------
        backend : str or None
            Of the network; None takes the estimator's.

        Raises
        ------
        ValueError
            For classes whose names are empty or have blanks around them, which a network does not tell apart.
        """
        check_is_fitted(self, "coefs_")
        activations = self._activations(len(self.coefs_) - 1)
        layers: list[Dense | Dropout] = []
        for b, activation, rate in zip(
            self.intercepts_, activations, self._dropouts(len(self.coefs_) - 1), strict=True
        ):
            layers += [Dropout(rate)] if rate else []
            layers.append(Dense(int(b.shape[0]), activation))
        dtype = dtype_name(self.coefs_[0])
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

    def _forward(self, X: Any) -> tuple[Any, Placement]:
        """The outputs ``(m, n[L])`` of X, and where they are."""
        check_is_fitted(self)
        self._require_as_trained()
        X = self._checked_X(X, reset=False)
        placement = self._predicting_on(X)
        dtype = dtype_name(self.coefs_[0])
        X = self._encoded(X, None, dtype, learn=False)
        with placement.context():
            X = on_placement(X, placement, dtype)
            X = self._standardized(X, placement, None, learn=False)
            activations = self._activations(len(self.coefs_) - 1)
            parameters = self._parameters(placement, dtype)
            return outputs(placement, activations, parameters, X), placement

    def _given_back(self, A: Any, placement: Placement, X: Any) -> Any:
        """An array in the library and on the device of X; NumPy's for data on the host."""
        source = foreign_backend(X)
        if source is placement.backend:
            return source.move(A, source.device_of(X))
        if source is None:
            return writable(placement.backend.to_host(A))
        return moved_to(Placement(source, source.device_of(X)), A, placement.backend)
