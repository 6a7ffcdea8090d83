"""What the kernel for SGD in blocks is called with."""

from __future__ import annotations

from typing import Any, NamedTuple


class Buffers(NamedTuple):
    """Arrays that the kernel writes to. A slot follows what it belongs to; there is one for momentum, or none."""

    block: int  # examples
    width: int  # of a panel's rows
    panels: Any  # (1 + slots, threads, n[0] · width): W[1]
    second: Any  # (1 + slots, threads, n[2] · width): each thread's columns of W[2]
    later: Any  # (1 + slots, numbers): b[1], W[2], b[2], …
    copies: Any  # (threads, 1 + slots, numbers): every thread's own later layers
    P: Any  # (block, stride): Z[1] before the block's own updates, then A[1]
    Q: Any  # (block, stride): likewise from the momentum
    D: Any  # (block, stride): δ[1]
    E: Any  # (block, stride): scaled δ[1]
    gram: Any  # (block, room)
    transposed: Any  # (n[0], room): sparse inputs, feature by feature
    shared: Any  # (room,): what each example has in common with the inputs' offsets, o · s
    sums: Any  # (threads, width): sums over a block of what is scaled with the offsets
    partial: Any  # (2, threads, room): each thread's partial sums of Z[2]
    A: Any  # (threads, numbers): each thread's own A[2] … A[L] of a batch, see Network.at_A
    errors: Any  # (threads, numbers): and δ[2] … δ[L]
    recurrence: Any  # (threads, 2, room) float64: u and r, see `advance`
    scratch: Any  # (threads, 3, room): u in the parameters' precision, and room for weights of sums
    range: Any  # int32: 0, 1, 2, …
    losses: Any  # (steps, 1): Σ w(i) L(i) of each batch
