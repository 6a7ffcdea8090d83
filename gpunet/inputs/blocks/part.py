"""Some consecutive rows of a source, such as the training part of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.blocks.sliced import Sliced


class PartOfRows(Sliced):
    """Rows ``[first, last)`` of another source, as a source; none of them is read.

    Parameters
    ----------
    rows : Sliced
    first, last : int
    """

    def __init__(self, rows: Sliced, first: int, last: int) -> None:
        self.rows = rows
        self.first, self.last = first, last
        self.name, self.column_names = rows.name, rows.column_names
        self.shape = (last - first, *rows.shape[1:])
        self.together, self.concurrent = rows.together, rows.concurrent

    @property
    def dtype(self) -> Any:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        return self.rows.dtype

    def read(self, first: int, last: int) -> NDArray[Any]:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        return self.rows.read(self.first + first, self.first + last)

    def edges(self, rows: int) -> NDArray[np.int64]:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`; blocks are those of the whole source, without other rows."""
        whole = np.clip(self.rows.edges(rows), self.first, self.last)
        return np.unique(whole) - self.first

    def select(self, columns: Sequence[str]) -> PartOfRows:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        return PartOfRows(self.rows.select(columns), self.first, self.last)
