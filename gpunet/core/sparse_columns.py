"""Examples of which most numbers are 0, as what a training run is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

Array = Any


class SparseColumns(ABC):
    """Columns as examples, ``(n[0], m)``, in the place of an array: some of them at a time become one.

    Attributes
    ----------
    rows : matrix ``(m, n[0])``
        Their transpose in compressed sparse rows: entries in the order of their features, none twice.
    """

    rows: Any

    @property
    def shape(self) -> tuple[int, int]:
        """``(n[0], m)``."""
        m, n = self.rows.shape
        return int(n), int(m)

    @property
    def dtype(self) -> Any:
        """That of the entries."""
        return self.rows.dtype

    @abstractmethod
    def columns(self, chosen: Any) -> Array:
        """The chosen columns, as a factor of matrix products on the device.

        Parameters
        ----------
        chosen : slice or int32 array
        """

    @abstractmethod
    def as_dense(self) -> SparseColumns:
        """The same, whose `columns` are an array on every backend."""
