"""Examples of which most numbers are 0, as what a training run is given."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from gpunet.core.columns import Columns


class SparseColumns(Columns):
    """Columns as examples, ``(n[0], m)``, whose `rows` are compressed sparse ones.

    Attributes
    ----------
    rows : matrix ``(m, n[0])``
        Entries in the order of their features, none twice.
    """

    @property
    def dtype(self) -> Any:
        """That of the entries."""
        return self.rows.dtype

    @abstractmethod
    def as_dense(self) -> SparseColumns:
        """The same, whose `columns` are an array on every backend."""
