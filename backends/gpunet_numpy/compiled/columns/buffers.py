"""What the kernel for small networks in columns is called with."""

from __future__ import annotations

from typing import Any, NamedTuple


class Buffers(NamedTuple):
    """Arrays that the kernel writes to, and its settings."""

    chunk: int  # examples that are worked on at a time
    room: int  # numbers of a row: whole cache lines
    state: Any  # (1 + slots, numbers): all parameters in a row, then their slots
    gradient: Any  # (numbers,)
    A: Any  # A[0] … A[L] of a chunk, each (n[l], room)
    D: Any  # δ[1] … δ[L], likewise; 0 past a chunk's last example
    Y: Any  # (n[L], room) in a row
    sums: Any  # (2, room): of each example
    zeros: Any  # (room,): in the place of biases that have been added
    column: Any  # of some W
    range: Any  # int32: 0, 1, 2, …
    losses: Any  # (steps, 1): Σ L(i) of each batch
    penalties: Any  # (steps, 1): ½ λ Σ W² before the step
