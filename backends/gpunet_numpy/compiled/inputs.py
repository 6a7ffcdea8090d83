"""Buffers for the inputs of a batch: see :mod:`gpunet_numpy.compiled.sparse`."""

from __future__ import annotations

from typing import Any, NamedTuple

CSC_EXAMPLES = 64  # examples that a chunk of CSC covers


class Inputs(NamedTuple):
    """Buffers for the inputs of `room` examples, and what they have in common.

    Of those from `offsets` to `edges`, all but `rows` are for sparse data.
    """

    sparse: int  # 1 if CSR and CSC are used
    shifted: int  # 1 if any offset is not 0
    offsets: Any  # (n[0],), o
    scaled_offsets: Any  # (n[0],), o times the factor given to `build_csc`
    range: Any  # int32: 0, 1, 2, … n[0] − 1
    rows: Any  # (room, n[0]), gathered; dense data only
    csr_indices: Any  # int32 (entries,): room for a batch's rows, and behind it the rows that are kept
    csr_values: Any
    csr_places: Any  # int64 (room,): where a row of the batch may be written
    csr_starts: Any  # int64 (room,): where it begins: there, or where it is kept
    csr_counts: Any  # int32 (room,)
    csr_parts: Any  # int32 (room, parts): the first entry of each part of its features, see `edges`
    kept_starts: Any  # int64 (m,): where an example's row is kept, −1 for not yet; empty where none are
    kept_counts: Any  # int32 (m,)
    kept_parts: Any  # int32 (m, parts)
    kept_ends: Any  # int64 (threads, 2 or more): the place for a thread's next row, the end of its room
    csc_indices: Any  # int32 (chunks, n[0] · CSC_EXAMPLES): examples, counted from the chunk's first
    csc_values: Any
    csc_counts: Any  # int32 (chunks, n[0])
    cursors: Any  # int64 (threads, CSC_EXAMPLES, or room): the next entry of each row, of features in turn
    edges: Any  # int64 (parts + 1,): where the parts of the features begin that are listed in CSC at a time
    kind: int  # of integers, see :mod:`gpunet_numpy.compiled.integers`; 0 where X are numbers
    integers: Any  # uint8 (m, bytes of a row): X, where it is of integers; X itself has no rows then
    mean: Any  # (n[0],), with which they are standardised; or empty
    deviation: Any
    numbers: Any  # (threads, n[0]): a row of integers as numbers
