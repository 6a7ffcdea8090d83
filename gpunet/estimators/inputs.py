"""What an estimator is given as X and y: checked as scikit-learn does, tables encoded, arrays left on their device."""

from __future__ import annotations

import copy
import numbers
from typing import Any

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from gpunet.devices.backend import Backend
from gpunet.devices.placement import Placement, choose_placement, host_placement, named_placement
from gpunet.devices.registry import backend_from_env, backend_of
from gpunet.devices.scipy_sparse import from_cupy
from gpunet.inputs.arrays import checked_rows
from gpunet.inputs.dtypes import dtype_name
from gpunet.inputs.standardizer import Standardizer

Array = Any
FLOATS = (np.float64, np.float32)


def foreign_backend(X: Any) -> Backend | None:
    """The backend of an array of another library than NumPy; None for all that NumPy, SciPy and scikit-learn read."""
    backend = None if type(X) in (np.ndarray, list) else backend_of(X)
    return None if backend is None or backend.name == "numpy" else backend


def to_host(array: Any) -> Any:
    """An array of any library as NumPy's, a sparse matrix of CuPy as SciPy's; anything else as it is."""
    backend = foreign_backend(array)
    if backend is not None:
        return backend.to_host(array)
    unknown = hasattr(array, "__array_namespace__") and not isinstance(array, np.ndarray | np.generic)
    return np.from_dlpack(array) if unknown else from_cupy(array)


class InputChecks:
    """The part of an estimator that reads X, y and weights."""

    backend: str
    dtype: Any
    encode: Any
    standardize: Any
    encoder_: Any
    standardizer_: Any

    def _placement(self, X: Any) -> Placement:
        """Where to compute with X: named by `backend`, else where X is; CuPy for data on the host if there is a GPU."""
        named = named_placement(self.backend)
        if named is not None:
            return named
        return choose_placement(self.backend, None, {"X": X} if foreign_backend(X) else {}, follow=False)

    def _predicting_on(self, X: Any) -> Placement:
        """Where to predict: rows on the host stay there, unless a backend is named."""
        if self.backend == "auto" and backend_from_env() is None and foreign_backend(X) is None:
            return host_placement()
        return self._placement(X)

    def _checked_X(self, X: Any, *, reset: bool) -> Any:
        """X checked: NumPy rows or CSR, rows of another library as they are, or a table whose columns are known."""
        if self.encode is not None:
            return validate_data(self, X, reset=reset, skip_check_array=True)
        backend = foreign_backend(X)
        if backend is None:
            return validate_data(self, to_host(X), accept_sparse="csr", dtype=FLOATS, order="C", reset=reset)
        placement = Placement(backend, backend.device_of(X))
        X = checked_rows("X", X, placement, self._foreign_dtype(X, placement), None)
        return validate_data(self, X, reset=reset, skip_check_array=True)

    def _checked(self, X: Any, y: Any, *, numeric: bool, reset: bool) -> tuple[Any, Any]:
        """X as :meth:`_checked_X` does, and y as a NumPy array of one or two axes."""
        if self.encode is None and foreign_backend(X) is None:
            X, y = validate_data(
                self,
                to_host(X),
                to_host(y),
                accept_sparse="csr",
                multi_output=True,
                y_numeric=numeric,
                dtype=FLOATS,
                order="C",
                reset=reset,
            )
        else:
            if y is None:
                raise ValueError(
                    f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
                )
            X = self._checked_X(X, reset=reset)
            y = check_array(to_host(y), ensure_2d=False, dtype="numeric" if numeric else None, input_name="y")
            check_consistent_length(X, y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _checked_weights(self, sample_weight: Any, m: int) -> Any:
        """Example weights as float64 ``(m,)``; None stays None."""
        if sample_weight is None:
            return None
        if isinstance(sample_weight, numbers.Real):
            sample_weight = np.full(m, float(sample_weight))
        weights = check_array(
            to_host(sample_weight), ensure_2d=False, dtype=np.float64, input_name="sample_weight"
        )
        if weights.ndim != 1:
            raise ValueError(
                f"Sample weights must be 1D array or scalar, got {weights.ndim}D array. Expected either a scalar "
                f"value or a 1D array of length {m}."
            )
        if weights.shape != (m,):
            raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(m,)}!")
        if not weights.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return weights

    def _compute_dtype(self, X: Any) -> str:
        """The dtype of weights and computation; by default that of X if it is one of them, as scikit-learn chooses."""
        name = dtype_name(X) if self.dtype is None else str(np.dtype(self.dtype).name)
        return name if name in ("float32", "float64") else "float64"

    def _foreign_dtype(self, X: Any, placement: Placement) -> str:
        name = self._compute_dtype(X)
        return name if placement.has_float64() else "float32"

    # --- encoder and standardizer ---------------------------------------------------------------

    def _learned(self) -> dict[str, tuple[str, bool]]:
        """By parameter: the attribute that ``fit`` makes of it, and whether it is asked for."""
        standardizes = isinstance(self.standardize, Standardizer) or bool(self.standardize)
        return {
            "encode": ("encoder_", self.encode is not None),
            "standardize": ("standardizer_", standardizes),
        }

    def _forget_learned(self) -> None:
        """Leave no attribute of an earlier fit that this one does not make."""
        for attribute, asked in self._learned().values():
            if not asked:
                vars(self).pop(attribute, None)

    def _require_as_trained(self) -> None:
        """Raise a ValueError if `encode` or `standardize` is no longer what the weights were trained with."""
        for name, (attribute, asked) in self._learned().items():
            if asked != hasattr(self, attribute):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, but the weights were trained "
                    f"{'without' if asked else 'with'} it: fit anew with warm_start=False"
                )

    def _encoded(self, X: Any, chosen: Any, dtype: str, *, learn: bool) -> Any:
        """X as an array or CSR, a table encoded; with `learn` the encoder learns from the `chosen` rows (None: all)."""
        if self.encode is None:
            return X
        from gpunet.tables import TableEncoder
        from gpunet.tables.table import as_table

        table = as_table(X)
        if learn:
            encoder = TableEncoder() if isinstance(self.encode, str) else copy.deepcopy(self.encode)
            self.encoder_ = encoder.fit(table if chosen is None else table.take(chosen))
        return self.encoder_.transform(table, dtype)

    def _standardized(self, X: Any, placement: Placement, chosen: Any, *, learn: bool) -> Any:
        """Rows on `placement`, standardised if asked for; with `learn` from the `chosen` rows (None: all)."""
        if not self._learned()["standardize"][1]:
            return X
        xp, sparse = placement.xp, hasattr(X, "tocsr")
        if learn:
            given = isinstance(self.standardize, Standardizer)
            standardizer = copy.deepcopy(self.standardize) if given else Standardizer()
            if sparse:
                rows = X if chosen is None else X[chosen]
                standardizer.mean, standardizer.deviation = standardizer.measure_sparse(rows)
            else:
                rows = X if chosen is None else xp.take(X, placement.to_device(chosen), axis=0)
                standardizer.mean, standardizer.deviation = standardizer.measure(
                    xp, rows, placement.to_device, placement.backend.to_host
                )
            self.standardizer_ = standardizer
        if sparse:
            return self.standardizer_.apply_sparse(X)
        return self.standardizer_.apply(xp, X, placement.to_device)
