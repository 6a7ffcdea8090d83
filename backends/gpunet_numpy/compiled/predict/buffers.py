"""What the forward pass is called with."""

from __future__ import annotations

from typing import Any, NamedTuple


class Weights(NamedTuple):
    """A network's parameters."""

    width: int  # of the panel's rows
    panel: Any  # (n[0] · width,): W[1], feature by feature
    later: Any  # (numbers,): b[1], W[2], b[2], …


class Buffers(NamedTuple):
    """Arrays that the kernel writes to, for each thread a chunk of examples."""

    A: Any  # (threads, numbers): A[1] … A[L], see Network.at_A
    slopes: Any  # (threads, largest layer): g′ of self-gated activations, which nobody reads; or empty rows
    csr_indices: Any  # int32 (threads · chunk · n[0],); this and the next ones: see `Inputs`
    csr_values: Any
    csr_places: Any  # int64 (threads, chunk)
    csr_starts: Any  # int64 (threads, chunk)
    csr_counts: Any  # int32 (threads, chunk)
    zeros: Any  # (n[0],): the inputs' offsets
    empty: Any  # int32, empty: the examples' order
    none: Any  # int64, empty: no rows are kept
    parts: Any  # int32 (chunk, 0): they have no parts
    bytes: Any  # uint8 (0, 0): X holds numbers
