"""What the kernel for tiny networks is called with."""

from __future__ import annotations

from typing import Any, NamedTuple


class Buffers(NamedTuple):
    """Arrays that the kernel writes to."""

    state: Any  # (1 + slots, numbers): all parameters in a row, then their slots
    A: Any  # A[0] … A[L] of a batch, see Network.at_A
    D: Any  # δ[1] … δ[L], likewise
    losses: Any  # (steps, 1): Σ w(i) L(i) of each batch
