"""Lanes: a batch cut into fixed parts whose gradients are added in one fixed order.

J is a sum over examples, so its gradient is the sum of the gradients of parts (C8). Floating-point sums depend on the
order of the additions. Here the order is that of one binary tree over the lanes, whoever computes which of them: any
number of processes gives the same bits.

A node of the tree is a range of lanes; a leaf is one lane. The sum of a node is that of its lower half plus that of
its upper half.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def lane_bounds(size: int, lanes: int, lane: int) -> tuple[int, int]:
    """Bounds ``(first, last + 1)`` of one lane of a batch of `size` examples: sizes differ by one at most.

    A lane of a batch that has fewer examples than there are lanes may be empty.
    """
    return lane * size // lanes, (lane + 1) * size // lanes


def lanes_of_rank(lanes: int, rank: int, ranks: int) -> range:
    """The lanes that one of so many ranks computes; together they compute each once."""
    return range(rank * lanes // ranks, (rank + 1) * lanes // ranks)


def halves(node: range) -> tuple[range, range]:
    """The two children of a node with several lanes."""
    middle = (node.start + node.stop + 1) // 2
    return range(node.start, middle), range(middle, node.stop)


def nodes_within(part: range, node: range) -> list[range]:
    """The highest nodes at and below `node` whose lanes are all in `part`, in the order of their lanes."""
    if node.start >= part.start and node.stop <= part.stop:
        return [node]
    if node.start >= part.stop or node.stop <= part.start:
        return []
    return [one for half in halves(node) for one in nodes_within(part, half)]


def tree_sum(node: range, value: Callable[[range], T | None], add: Callable[[T, T], T]) -> T:
    """The sum of a node.

    Parameters
    ----------
    node : range
    value : callable ``(node) -> sum or None``
        The sums that are known, those of leaves among them; None for one that is not.
    add : callable ``(lower, upper) -> sum``
    """
    known = value(node)
    if known is not None:
        return known
    lower, upper = halves(node)
    return add(tree_sum(lower, value, add), tree_sum(upper, value, add))
