"""One column to inputs: what all kinds have in common.

`fit` learns from the training part, `transform` returns the inputs ``(m, k)`` in float64, `feature_names` names them,
`parameters` are the numbers that were learned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gpunet.tables import stored
from gpunet.tables.reading import Reading
from gpunet.tables.series import Series

Values = NDArray[np.float64]


class Column(ABC):
    """A column that becomes inputs.

    Parameters
    ----------
    name : str
        Its name.
    reading : Reading
        How its cells are read.
    settings : dict
        `scaling` ("standard" or "robust") and `one_hot_limit` (int).

    Attributes
    ----------
    missing : int
        How many cells were missing in training; where any were, an input says whether a cell is missing.
    """

    kind: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]] = ("numbers",)  # the names in `parameters`

    def __init__(self, name: str, reading: Reading, settings: dict[str, Any]) -> None:
        self.name, self.reading, self.settings = name, reading, settings
        self.missing = 0

    @abstractmethod
    def fit(self, cells: Series, decimal: str) -> None:
        """Learn from the training part."""

    @abstractmethod
    def transform(self, cells: Series, decimal: str) -> Values:
        """Inputs ``(m, k)``."""

    @property
    @abstractmethod
    def feature_names(self) -> list[str]:
        """One name per input."""

    @property
    def varies(self) -> bool:
        """Whether there is anything to learn from."""
        return bool(self.feature_names)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What JSON holds, and arrays."""
        state = {
            "kind": self.kind,
            "name": self.name,
            "reading": self.reading.to_state(),
            "missing": self.missing,
        }
        return state, self.parameters()

    def load(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `to_state` gave."""
        self.missing = stored.count("missing cells", state["missing"])
        self.set_parameters(state, arrays)

    @abstractmethod
    def parameters(self) -> dict[str, NDArray[Any]]:
        """The numbers that were learned."""

    @abstractmethod
    def set_parameters(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `parameters` gave."""

    def detail(self) -> str:
        """What a printout says beside the name."""
        return ""

    def missing_input(self, missing: NDArray[np.bool_]) -> list[Values]:
        """The input that says whether a cell is missing, if there is one."""
        return [missing.astype(np.float64)] if self.missing else []

    @property
    def missing_name(self) -> list[str]:
        """Its name."""
        return [f"{self.name} is missing"] if self.missing else []


def stacked(columns: list[Values], m: int) -> Values:
    """Columns ``(m,)`` side by side; ``(m, 0)`` if there are none."""
    return np.stack(columns, axis=1) if columns else np.zeros((m, 0))
