"""Targets that are read block by block, as the numbers that a network is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.blocks.sliced import Sliced
from gpunet.inputs.missing_targets import is_rows

if TYPE_CHECKING:
    from gpunet.tables import Target


class EncodedRows(Sliced):
    """Class numbers for the names of classes, or standardised values; of several columns as they are.

    Parameters
    ----------
    rows : Sliced
        Targets as they are stored.
    target : Target
        Fitted.
    """

    def __init__(self, rows: Sliced, target: Target) -> None:
        self.rows, self.target = rows, target
        self.name, self.together, self.concurrent = rows.name, rows.together, rows.concurrent
        values = target.class_names is None
        self.shape = (len(rows), 1) if values else (len(rows),)
        self.dtype = np.dtype("float64" if values else "int64")

    def read(self, first: int, last: int) -> NDArray[Any]:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        return encoded(self.name, self.rows.read(first, last), self.target, first)


def encoded(name: str, y: NDArray[Any], target: Target, first_row: int) -> NDArray[Any]:
    """Some targets, the first of which is that of `first_row`, as numbers; of several columns as they are.

    Raises
    ------
    ValueError
        If a target is missing, or a class was not among those of training.
    """
    if is_rows(y):
        return y
    try:
        return target.encode(y)
    except ValueError as error:
        counted = f", counted from row {first_row:,}" if first_row else ""
        raise ValueError(f"{name}{counted}: {error}") from None
