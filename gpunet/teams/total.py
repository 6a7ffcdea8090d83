"""Sums over all lanes of a team, with the same bits however many ranks there are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from gpunet.core.lanes import lanes_of_rank, nodes_within, tree_sum
from gpunet.teams.engine import Engine, Vector

Array = Any


class TreeTotal:
    """Vectors of lanes, added in one fixed tree.

    A rank adds what is in its own lanes, on its device. Of the sums that are left, each rank gets one section of the
    vectors from every rank, and adds those, on the host. An addition rounds in the same way on both.

    Parameters
    ----------
    engine : Engine
    lanes : int
    length : int
        Of the vectors.
    to_host : callable
        From the device that the vectors of lanes are on.

    Attributes
    ----------
    section : slice
        Which this rank adds.
    """

    def __init__(
        self, engine: Engine, lanes: int, length: int, to_host: Callable[[Array], Vector] = np.asarray
    ) -> None:
        self.engine, self.to_host = engine, to_host
        self.root = range(lanes)
        size = engine.size
        shares = [lanes_of_rank(lanes, rank, size) for rank in range(size)]
        self.nodes = [nodes_within(share, self.root) for share in shares]  # that each rank adds
        self.sections = [slice(a, b) for a, b in pairwise(rank * length // size for rank in range(size + 1))]
        self.widths = [section.stop - section.start for section in self.sections]
        self.section = self.sections[engine.rank]

    def __call__(self, lane: Callable[[range], Array | None]) -> Vector:
        """The section of the sum over all lanes.

        Parameters
        ----------
        lane : callable ``(node) -> vector or None``
            The vector of a leaf on the device, new at each call; None for a node with several lanes.
        """
        engine = self.engine
        own = [self.to_host(tree_sum(node, lane, add)) for node in self.nodes[engine.rank]]
        if engine.size == 1:
            return own[0]
        width = self.widths[engine.rank]
        parts = [np.concatenate([vector[section] for vector in own]) for section in self.sections]
        received = engine.exchange(parts, [width * len(nodes) for nodes in self.nodes])
        sums = {
            node: vector[i * width : (i + 1) * width]
            for nodes, vector in zip(self.nodes, received, strict=True)
            for i, node in enumerate(nodes)
        }
        return tree_sum(self.root, sums.get, plus)

    def whole(self, section: Vector) -> Vector:
        """The vector of which each rank has its section, on each of them."""
        return section if self.engine.size == 1 else self.engine.spread(section, self.widths)


def plus(lower: Vector, upper: Vector) -> Vector:
    """Their sum, as a vector of its own."""
    return np.asarray(lower + upper)


def add(lower: Array, upper: Array) -> Array:
    """Their sum, in the place of the first for NumPy: not every library's arrays can be written to."""
    if type(lower) is not np.ndarray:
        return lower + upper
    lower += upper
    return lower
