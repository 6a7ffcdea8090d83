"""Arrays of the host, brought to a device while it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Array = Any


class Transfer:
    """Copies arrays of the host to one device, for a run whose examples come piece by piece.

    This one copies when the arrays are taken. A backend whose device copies while it computes has another, which begins
    at once.

    Parameters
    ----------
    to_device : callable
        Gives a NumPy array on the device.

    Attributes
    ----------
    ahead : int
        How many pieces are worth being read before they are taken.
    """

    ahead = 1

    def __init__(self, to_device: Callable[[Any], Array]) -> None:
        self.to_device = to_device

    def begin(self, arrays: Sequence[Any]) -> Callable[[], list[Array]]:
        """Begin to copy contiguous NumPy arrays; what is returned gives them on the device.

        Only one thread begins copies. The thread that computes takes the arrays, in the order in which they were begun;
        it has then dropped those that it took before, after all work with them was queued.
        """
        return lambda: [self.to_device(array) for array in arrays]

    def close(self) -> None:
        """Drop what is kept; all work with the arrays that were taken has been queued."""
