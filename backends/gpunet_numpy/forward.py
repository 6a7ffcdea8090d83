"""The forward pass of parameters that change, as those between epochs.

A training run alternates with it, and OpenBLAS's threads spin for some milliseconds after a product, on the processors
that the run needs then. So a pass is compiled code on the same threads as the run, or plain NumPy on as few threads as
pay.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.core.activations import ACTIVATIONS, ActivationLike
from gpunet.core.propagation import forward
from gpunet_numpy.blas_threads import UNDIVIDED, threads_for_work, with_blas_threads
from gpunet_numpy.compiling import unready_reason
from gpunet_numpy.plain.namespace import xp
from gpunet_numpy.select import WORTH, WORTH_WEIGHTS, has_compiled_forward


class ForwardPass:
    """``A[L]`` and ``Z[L]`` for parameters and columns.

    Parameters
    ----------
    activations : sequence of str and Activation
    """

    def __init__(self, activations: Sequence[ActivationLike]) -> None:
        self.activations = activations
        self.compiled: Any = None
        self.known: list[
            Any
        ] = []  # the parameters that are laid out; weak references: the next ones take their place
        self.weights: Any = None

    def __call__(self, parameters: Any, X: Any) -> tuple[Any, Any]:
        """``A[L]`` and ``Z[L]``, columns, for columns X ``(n[0], m)``."""
        weights = sum(W.size for W, _ in parameters)
        work = weights * X.shape[1]
        if work >= WORTH and isinstance(X, np.ndarray):  # no sparse columns
            Z = self._compiled(parameters, X, start=weights >= WORTH_WEIGHTS)
            if Z is not None:
                return ACTIVATIONS[self.activations[-1]].forward(xp, Z), Z
        if work < UNDIVIDED:
            return self._plain(parameters, X)
        return with_blas_threads(threads_for_work(work), self._plain, parameters, X)

    def _plain(self, parameters: Any, X: Any) -> tuple[Any, Any]:
        A, caches = forward(xp, self.activations, parameters, X)
        return A, caches[-1].Z

    def _compiled(self, parameters: Any, X: Any, start: bool) -> Any | None:
        """``Z[L]``; None where there is no compiled pass, or X is not finite. `start` has it compiled, for later."""
        if self.compiled is None and not self._is_ready(parameters[0][0].dtype, start):
            return None
        from gpunet_numpy.compiled.predict.program import Forward, sizes_of

        if self.compiled is None:
            hidden = [str(name) for name in self.activations[:-1]]
            self.compiled = Forward([*hidden, "identity"], sizes_of(parameters), parameters[0][0].dtype)
        arrays = [p for pair in parameters for p in pair]
        if not self.known or any(ref() is not p for ref, p in zip(self.known, arrays, strict=True)):
            self.weights = self.compiled.weights(parameters)
            self.known = [weakref.ref(p) for p in arrays]
        Z = self.compiled(self.weights, X.T)
        return None if Z is None else Z.T

    def _is_ready(self, dtype: Any, start: bool) -> bool:
        if not has_compiled_forward(self.activations[:-1]):
            return False
        from gpunet_numpy.compiled.predict.program import Predictor

        return unready_reason(Predictor, str(dtype), start) is None
