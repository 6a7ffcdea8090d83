"""Lanes of a batch, and the order in which their sums are added."""

import numpy as np
import pytest

from gpunet.core.lanes import lane_bounds, nodes_within, tree_sum


def shown(node, known=None):
    """The sum of a node as text, with brackets as it is added; of lanes, or of nodes that are known."""
    value = (known or {}).get if known else lambda node: str(node.start) if len(node) == 1 else None
    return tree_sum(node, value, lambda lower, upper: f"({lower} {upper})")


def shares(ranks, lanes):
    return [range(rank * lanes // ranks, (rank + 1) * lanes // ranks) for rank in range(ranks)]


@pytest.mark.parametrize(("size", "lanes"), [(64, 8), (20, 8), (8, 8), (3, 8), (1, 1), (17, 5), (1000, 7)])
def test_lanes_share_a_batch_evenly(size, lanes):
    bounds = [lane_bounds(size, lanes, lane) for lane in range(lanes)]
    assert [first for first, _ in bounds] == [0, *(last for _, last in bounds[:-1])]
    assert bounds[-1][1] == size
    sizes = {last - first for first, last in bounds}
    assert max(sizes) - min(sizes) <= 1


def test_the_order_of_the_additions():
    assert shown(range(8)) == "(((0 1) (2 3)) ((4 5) (6 7)))"
    assert shown(range(5)) == "(((0 1) 2) (3 4))"
    assert shown(range(1)) == "0"


@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 8, 13, 16])
def test_the_order_is_the_same_for_any_number_of_ranks(lanes):
    for ranks in range(1, lanes + 1):
        nodes = [nodes_within(share, range(lanes)) for share in shares(ranks, lanes)]
        known = {node: shown(node) for some in nodes for node in some}
        assert [lane for some in nodes for node in some for lane in node] == list(range(lanes))
        assert shown(range(lanes), known) == shown(range(lanes))


def test_a_rank_adds_as_much_as_it_can():
    assert [nodes_within(share, range(8)) for share in shares(3, 8)] == [
        [range(2)],
        [range(2, 4), range(4, 5)],
        [range(5, 6), range(6, 8)],
    ]
    assert nodes_within(range(0), range(4)) == []


def test_a_sum_that_is_known_is_not_added_again(rng):
    values = rng.standard_normal((4, 3))
    total = tree_sum(range(4), lambda node: values[node.start] if len(node) == 1 else None, np.add)
    np.testing.assert_array_equal(total, (values[0] + values[1]) + (values[2] + values[3]))
    np.testing.assert_array_equal(tree_sum(range(4), {range(4): values[0]}.get, np.add), values[0])
