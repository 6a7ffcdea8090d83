"""Sums over all lanes of a team, with the same bits however many ranks there are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from gpunet.core.lanes import lanes_of_rank, nodes_within, tree_sum
from gpunet.teams.engine import Engine
from gpunet.teams.paths import Path

Array = Any


class TreeTotal:
    """Vectors of lanes, added in one fixed tree.

    A rank adds what is in its own lanes, on its device. Of the sums that are left, each rank gets one section of the
    vectors from every rank, and adds those, where they arrive. An addition rounds in the same way on a device and on
    its host.

    Parameters
    ----------
    engine : Engine
    lanes : int
    length : int
        Of the vectors.
    path : Path
        How they go from rank to rank.

    Attributes
    ----------
    section : slice
        Which this rank adds.
    """

    def __init__(self, engine: Engine, lanes: int, length: int, path: Path) -> None:
        self.engine, self.path = engine, path
        self.root = range(lanes)
        size = engine.size
        shares = [lanes_of_rank(lanes, rank, size) for rank in range(size)]
        self.nodes = [nodes_within(share, self.root) for share in shares]  # that each rank adds
        self.sections = [slice(a, b) for a, b in pairwise(rank * length // size for rank in range(size + 1))]
        self.widths = [section.stop - section.start for section in self.sections]
        self.section = self.sections[engine.rank]

    def __call__(self, lane: Callable[[range], Array | None]) -> Array:
        """The section of the sum over all lanes, on the device.

        Parameters
        ----------
        lane : callable ``(node) -> vector or None``
            The vector of a leaf on the device, new at each call; None for a node with several lanes.
        """
        own = [tree_sum(node, lane, add) for node in self.nodes[self.engine.rank]]
        if self.engine.size == 1:
            return own[0]
        received = self.path.exchange(own, self.sections, [len(nodes) for nodes in self.nodes])
        sums = {
            node: vector
            for nodes, vectors in zip(self.nodes, received, strict=True)
            for node, vector in zip(nodes, vectors, strict=True)
        }
        return self.path.to_device(tree_sum(self.root, sums.get, plus))

    def whole(self, section: Array) -> Array:
        """The vector of which each rank has its section, on each of them."""
        return section if self.engine.size == 1 else self.path.spread(section, self.widths)


def plus(lower: Array, upper: Array) -> Array:
    """Their sum, as an array of its own."""
    return lower + upper


def add(lower: Array, upper: Array) -> Array:
    """Their sum, in the place of the first for NumPy: not every library's arrays can be written to."""
    if type(lower) is not np.ndarray:
        return lower + upper
    lower += upper
    return lower
