"""What a backend may check of the examples of a run at once, while the host prepares it."""

from __future__ import annotations

from typing import NamedTuple


class Reach(NamedTuple):
    """What the targets of a network may be.

    Attributes
    ----------
    classes : bool
        Whether they are class numbers, one for each example, which are whole; else rows.
    low, high : float
        Between which all of them lie.
    sum_to_one : bool
        Whether those of an example do.
    """

    classes: bool
    low: float
    high: float
    sum_to_one: bool = False


class Found(NamedTuple):
    """What a check of examples found.

    Attributes
    ----------
    good : bool
        Whether all numbers of X are finite, and all targets in reach.
    mean_size : float or None
        The mean of ``|x|`` over the examples that were sampled.
    """

    good: bool
    mean_size: float | None
