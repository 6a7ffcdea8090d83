"""What the mini-batch kernel is called with."""

from __future__ import annotations

from typing import Any, NamedTuple


class Buffers(NamedTuple):
    """Arrays that the kernel writes to, and its settings."""

    apart: int  # whether each thread takes its examples to the end
    in_place: int  # whether products accumulate in W or its momentum: there are no arrays of gradients then
    features: int  # that W[1] is updated for at a time
    by_tiles: int  # whether there is an array of gradients for these only
    by_rows: int  # whether example after example is added to them: there is no CSC
    chunk: int  # examples that are worked on at a time: of the batch, or of a thread where they work apart
    width: int  # of a panel's rows
    across: Any  # int64, for each layer: into how many tiles side by side its W is divided
    given: Any  # three of (n[1], n[0]): W[1] and its slots before; empty where panels have them, or there are fewer
    made: Any  # the same after
    panels: Any  # (1 + slots, owners, n[0] · width): W[1]; owners are all threads, or one that stands for all
    later: Any  # (1 + slots, numbers): b[1], W[2], b[2], …
    panel_gradients: Any  # (owners, or threads that work apart, n[0] · width); or empty rows
    later_gradients: Any  # (1, or threads that work apart, numbers); or empty rows
    A: Any  # (1, or threads that work apart, numbers): A[1] … A[L] of a chunk, see Network.at_A
    D: Any  # δ[1] … δ[L], likewise
    slopes: Any  # g′ of self-gated activations, likewise; or empty rows
    squares: Any  # (threads,): Σ g² of what the thread updates, where gradients are clipped
    bias_sums: Any  # (threads, biases of all layers): each thread's partial sums of their gradients
    sums: Any  # (threads, 3, room): b[1] + W[1] o, o being the inputs' offsets; Σ δ[1] of a batch; Σ δ[l]
    losses: Any  # (steps, threads): Σ w(i) L(i) of each batch
    penalties: Any  # (steps, threads): ½ λ Σ W² of the weights that the thread updates, before the step
