"""What a training run may be given in the place of an array of examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

Array = Any


class Columns(ABC):
    """Columns as examples, ``(n[0], m)``: some of them at a time become an array.

    Attributes
    ----------
    rows : array or matrix ``(m, n[0])``
        Their transpose, as it is stored.
    """

    rows: Any

    @property
    def shape(self) -> tuple[int, int]:
        """``(n[0], m)``."""
        m, n = self.rows.shape
        return int(n), int(m)

    @abstractmethod
    def columns(self, chosen: Any) -> Array:
        """The chosen columns, as a factor of matrix products on the device.

        Parameters
        ----------
        chosen : slice or int32 array
        """
