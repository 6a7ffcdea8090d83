"""Several files as one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.blocks.sliced import Sliced


class JoinedRows(Sliced):
    """Rows of several sources, one after the other.

    Parameters
    ----------
    name : str
    parts : sequence of Sliced
        Each with its own name, for messages.

    Raises
    ------
    ValueError
        If their rows differ in shape.
    """

    def __init__(self, name: str, parts: Sequence[Sliced]) -> None:
        self.name = name
        self.parts = parts
        shape = parts[0].shape[1:]
        for part in parts:
            if not part.shape:
                raise ValueError(f"{name}: {part.name} holds a single number, and no rows")
            if part.shape[1:] != shape:
                raise ValueError(
                    f"{name}: all files must have rows of one shape; those of {parts[0].name} have {shape}, those of "
                    f"{part.name} {part.shape[1:]}"
                )
        self.starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        self.shape = (int(self.starts[-1]), *shape)
        self.together = max(part.together for part in parts)
        self.column_names = parts[0].column_names
        self.concurrent = all(part.concurrent for part in parts)

    @cached_property
    def dtype(self) -> Any:
        """That of all parts together."""
        return np.result_type(*(part.dtype for part in self.parts))

    def read(self, first: int, last: int) -> NDArray[Any]:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        found = []
        for start, part in zip(self.starts.tolist(), self.parts, strict=False):
            low, high = max(first - start, 0), min(last - start, len(part))
            if low < high:
                found.append(part.read(low, high).astype(self.dtype, copy=False))
        if not found:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def select(self, columns: Sequence[str]) -> JoinedRows:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        return JoinedRows(self.name, [part.select(columns) for part in self.parts])

    def edges(self, rows: int) -> NDArray[np.int64]:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        starts = self.starts.tolist()
        parts = [
            start + part.edges(rows)[:-1]
            for start, part in zip(starts, self.parts, strict=False)
            if len(part)
        ]
        return np.concatenate([*parts, [np.int64(starts[-1])]])
