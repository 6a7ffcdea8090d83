"""What a file holds of a network, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import LossLike
from gpunet.inputs.standardizer import Standardizer

if TYPE_CHECKING:  # imported where a file has them
    from gpunet.tables import TableEncoder
    from gpunet.tables.target import Target


class SavedNetwork(NamedTuple):
    """What a file holds of a network.

    `training` is what training needs to go on, see :mod:`gpunet.training.saved`; None if it is not kept.
    """

    layers: list[Dense | Dropout]
    loss: LossLike
    inputs: int
    seed: int | None  # None in no file: a network from elsewhere draws its own
    dtype: str
    standardizer: Standardizer | None
    parameters: list[tuple[Any, Any]]  # NumPy arrays
    epochs_trained: int
    notes: dict[str, Any]
    encoder: TableEncoder | None = None
    target: Target | None = None
    columns: tuple[str, ...] | None = None
    training: Any = None
