"""Which examples are in memory in which window, and in which order its steps use them; nothing is read here.

A position is a place in the order of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.blocks.order import TwoLevelOrder
from gpunet.teams.share import Share


class Epoch(NamedTuple):
    """Where the windows of an epoch end."""

    number: int  # epochs that the network has been trained for
    blocks: NDArray[np.int64]  # their numbers, in the order of their use
    used: NDArray[np.int64]  # examples, at the end of each group
    ends: NDArray[np.int64]  # examples, at the end of each window


class Content(NamedTuple):
    """What a window is made of: in memory are the examples that the one before left over, then rows of blocks."""

    rows: dict[
        int, NDArray[np.int64] | None
    ]  # of each block that is read for it, in this order; None for all
    size: int  # examples in memory
    order: NDArray[np.int32]  # in which the steps use them
    left_over: NDArray[np.int32]  # those that the next window begins with, in the order of their use
    stop: int  # the position at which it ends


def blocks_from(epoch: Epoch, number: int, order: TwoLevelOrder) -> NDArray[np.int64]:
    """The blocks that a window and all later ones of an epoch are made of."""
    return epoch.blocks[_group_of(epoch, _first_of(epoch, number)) * order.held :]


def contents(epoch: Epoch, number: int, order: TwoLevelOrder, share: Share) -> Iterator[Content]:
    """The contents of the windows of an epoch, from one of them on.

    Groups are read as a whole, but a window may end within one: what is left over is in the next window.
    """
    edges = np.concatenate([[0], epoch.used])  # the positions at which groups begin
    sizes = np.diff(order.edges)  # of the blocks
    first = _first_of(epoch, number)  # the position of the first example that the window uses
    group = _group_of(epoch, first)  # the first one that is not read yet
    start = int(edges[group])  # the position of the first example in memory
    waiting = 0  # positions that are left over by the window before
    for last in epoch.ends[number:].tolist():
        end = int(np.searchsorted(edges, last))  # the last group is read up to here
        stop = int(edges[end])
        places: list[NDArray[np.integer]] = [np.arange(waiting)]
        for one in range(group, end):
            at = int(edges[one])
            places.append(at - start + order.rows(epoch.number, one, int(edges[one + 1]) - at))
        uses = np.concatenate(places, dtype=np.int32)[first - start :]
        blocks = epoch.blocks[group * order.held : end * order.held]
        rows: dict[int, NDArray[np.int64] | None] = dict.fromkeys(blocks.tolist())
        size, mine = stop - start, share(first, stop)
        if not share.whole:
            begins = np.cumsum([waiting, *sizes[blocks[:-1]]])
            uses, of_blocks, size = _wanted(uses, mine, size, begins)
            rows = dict(zip(rows, of_blocks, strict=True))
        here = last - first
        yield Content(rows, size, uses[:here], uses[here:][mine[here:]], last)
        group, waiting = end, stop - last
        first = start = last


def _first_of(epoch: Epoch, number: int) -> int:
    """The position at which a window begins."""
    return int(epoch.ends[number - 1]) if number else 0


def _group_of(epoch: Epoch, position: int) -> int:
    """The group that a position is in."""
    return int(np.searchsorted(epoch.used, position, side="right"))


def _wanted(
    order: NDArray[np.int32], mine: NDArray[np.bool_], count: int, edges: NDArray[np.int64]
) -> tuple[NDArray[np.int32], list[NDArray[np.int64] | None], int]:
    """What a rank reads of `count` rows that steps use in some order, a part of them for `mine`.

    Returns
    -------
    order : int32 array
        Among the rows that are read; their count for the others.
    rows : list of int64 array or None
        Which ones of each block, where `edges` say that the blocks begin; None for all.
    count : int
        At least one, to have arrays of the right shape.
    """
    wanted = np.zeros(count, np.bool_)
    wanted[order[mine]] = True
    wanted[-1] |= not wanted.any()
    rows = [None if some.all() else np.flatnonzero(some) for some in np.split(wanted, edges)[1:]]
    count = int(wanted.sum())
    return np.where(wanted, np.cumsum(wanted, dtype=np.int32) - 1, np.int32(count))[order], rows, count
