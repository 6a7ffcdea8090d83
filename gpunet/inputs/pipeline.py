"""The input pipeline: user data to checked and standardised columns on a device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet.core.layers import Dense
from gpunet.core.losses import LossLike
from gpunet.devices.placement import Placement
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.arrays import checked_rows, is_wide, require_finite
from gpunet.inputs.example_weights import class_weights, sample_weights
from gpunet.inputs.integer_examples import IntegerExamples, is_small_integers, keeps_integers
from gpunet.inputs.pending_check import PendingCheck, begun
from gpunet.inputs.sparse_rows import checked_sparse_rows
from gpunet.inputs.standardizer import Standardizer
from gpunet.inputs.targets import targets

Array = Any

CHUNK = 8192  # examples that are standardised at a time


class Examples(NamedTuple):
    """Examples as columns, on their device."""

    X: Array | SparseExamples | IntegerExamples  # (n[0], m), a transposed view of rows
    Y: Array  # (n[L], m)
    weights: Array | None  # (1, m)

    @property
    def m(self) -> int:
        """How many examples there are."""
        return int(self.X.shape[1])


class InputPipeline(NamedTuple):
    """Turns user data into the arrays of one network, on one placement."""

    placement: Placement
    dtype: str
    inputs: int | None
    output: Dense
    loss: LossLike
    standardizer: Standardizer | None  # one that is not fitted leaves X as it is
    integers: bool = False  # whether an X of small integers stays so, where the backend has programs for it

    def rows(self, name: str, X: Any, *, finite: bool = True, first_row: int = 0) -> Array:
        """X as checked rows; see :func:`gpunet.inputs.arrays.checked_rows`.

        What is standardised later is not rounded before: wider numbers stay float64 until then.
        """
        if self.stays(X):
            return checked_rows(name, X, self.placement, None, self.inputs, finite=False)
        dtype = self.dtype
        if self.standardizer is not None and is_wide(X) and self.placement.has_float64():
            dtype = "float64"
        if is_sparse(X):
            return checked_sparse_rows(name, X, dtype, self.inputs)
        return checked_rows(name, X, self.placement, dtype, self.inputs, finite=finite, first_row=first_row)

    def standardized(self, rows: Array, own: bool = False) -> Array:
        """Rows with the standardizer applied (C15), in the network's dtype.

        `own` says that nobody else has the rows, so that they may be written to.
        """
        if self.standardizer is None or not self.standardizer.fitted or self._stays(rows):
            return rows
        if is_sparse(rows):
            return self.standardizer.apply_sparse(rows).astype(self.dtype, copy=False)
        if isinstance(rows, np.ndarray):
            return self._standardized_on_host(rows, own)
        xp = self.placement.xp
        standardized = self.standardizer.apply(xp, rows, self.placement.to_device)
        return xp.astype(standardized, getattr(xp, self.dtype), copy=False)

    def _standardized_on_host(self, rows: Any, own: bool) -> Any:
        """The same, a chunk at a time: no copy but the result, and none where the rows may be written to.

        The result is in C order, however the rows came: products of another order round in another way.
        """
        assert self.standardizer is not None
        in_place = own and rows.flags.writeable and rows.flags.c_contiguous and rows.dtype == self.dtype
        result = rows if in_place else np.empty(rows.shape, self.dtype)
        for start in range(0, len(rows), CHUNK):
            chunk = slice(start, start + CHUNK)
            if rows.dtype == result.dtype:
                self.standardizer.apply(np, np.asarray(rows[chunk]), np.asarray, result[chunk])
            else:
                result[chunk] = self.standardizer.apply(np, rows[chunk], np.asarray)
        return result

    def stays(self, X: Any) -> bool:
        """Whether the numbers of X stay integers until a program reads them."""
        return self.integers and keeps_integers(X, self.placement, self.standardizer)

    def _stays(self, rows: Array) -> bool:
        """The same of checked rows."""
        return self.integers and is_small_integers(rows)

    def columns(self, rows: Array) -> Array | SparseExamples | IntegerExamples:
        """Rows as columns."""
        if self._stays(rows):
            return IntegerExamples(rows, self.placement, self.dtype, self.standardizer)
        return SparseExamples(rows, self.placement) if is_sparse(rows) else rows.T

    def examples(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        prefix: str = "",
        raw: bool = False,
        first_row: int = 0,
    ) -> tuple[Examples, str]:
        """Columns, and what the targets mean (see :class:`gpunet.inputs.targets.Targets`).

        `prefix` stands before the names X and y in messages, where rows count from `first_row`. `raw` leaves the
        standardizer to the caller.
        """
        rows = self.rows(f"{prefix}X", X, first_row=first_row)
        return self._of_rows(rows, X, y, sample_weight, prefix=prefix, raw=raw, first_row=first_row)

    def begun_examples(
        self, X: Any, y: Any, sample_weight: Any = None, *, raw: bool = False
    ) -> tuple[Examples, str, PendingCheck]:
        """The same, while a device that can checks their numbers: what it finds is still to be seen."""
        rows = self.rows("X", X, finite=False)
        numbers = None if is_sparse(rows) or self._stays(rows) else rows
        found, of_y = begun(self.placement, numbers, y, int(rows.shape[0]), self.output, self.loss)
        if found is None and numbers is not None:
            require_finite(self.placement.xp, "X", numbers)
        examples, kind = self._of_rows(rows, X, y, sample_weight, raw=raw, check_y=not of_y)
        return examples, kind, PendingCheck(found, lambda: self.examples(X, y, sample_weight, raw=raw))

    def _of_rows(
        self,
        rows: Array,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        prefix: str = "",
        raw: bool,
        first_row: int = 0,
        check_y: bool = True,
    ) -> tuple[Examples, str]:
        """Examples of the rows of X."""
        if not raw:
            rows = self.standardized(rows, is_copy(X, rows))
        Y, kind = targets(
            f"{prefix}y",
            y,
            self.placement,
            self.dtype,
            rows.shape[0],
            self.output.units,
            self.output.activation,
            self.loss,
            first_row,
            check_y,
        )
        weights = sample_weights(
            f"{prefix}sample_weight",
            sample_weight,
            int(rows.shape[0]),
            self.placement,
            self.dtype,
            first_row,
        )
        return Examples(self.columns(rows), Y, weights), kind

    def standardized_columns(
        self, X: Array | SparseExamples | IntegerExamples, own: bool = False
    ) -> Array | SparseExamples | IntegerExamples:
        """Columns with the standardizer applied; `own` as for :meth:`standardized`."""
        rows = X.rows if isinstance(X, SparseExamples | IntegerExamples) else X.T
        return self.columns(self.standardized(rows, own))

    def standardized_examples(self, examples: Examples, own: bool = False) -> Examples:
        """Raw examples with the standardizer applied; `own` as for :meth:`standardized`."""
        return examples._replace(X=self.standardized_columns(examples.X, own))

    def with_class_weights(self, examples: Examples, class_weight: Any, kind: str) -> Examples:
        """The examples, each one's weight times that of its class."""
        if class_weight is None:
            return examples
        sample = examples.weights
        weights = class_weights(class_weight, examples.Y, kind, self.placement, self.dtype, sample)
        return examples._replace(weights=weights if sample is None else sample * weights)


def is_copy(given: Any, rows: Any) -> bool:
    """Whether `rows` are a NumPy array with memory of its own, beside that of the array that was given."""
    both = isinstance(given, np.ndarray) and isinstance(rows, np.ndarray)
    return both and not np.may_share_memory(given, rows)
