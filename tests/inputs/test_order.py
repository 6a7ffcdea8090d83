"""The two-level order: every row once, from the seed, the epoch and the blocks alone."""

import numpy as np
import pytest

from gpunet.inputs.blocks.order import TwoLevelOrder


def rows_of(order, epoch):
    """All row numbers, in the order of an epoch."""
    blocks = order.blocks(epoch)
    ends, found, begun = order.ends(blocks), [], 0
    for group, end in enumerate(ends):
        numbers = blocks[group * order.held : (group + 1) * order.held]
        rows = np.concatenate([np.arange(*order.edges[b : b + 2]) for b in numbers])
        assert len(rows) == end - begun
        found.append(rows[order.rows(epoch, group, len(rows))])
        begun = end
    return np.concatenate(found)


@pytest.mark.parametrize("edges", [np.arange(0, 101, 10), np.array([0, 7, 9, 30, 31, 90, 100])])
@pytest.mark.parametrize("held", [1, 2, 4, 100])
@pytest.mark.parametrize("sequential", [False, True])
def test_every_row_once_and_another_order_each_epoch(edges, held, sequential):
    order = TwoLevelOrder(edges, held, 3, sequential)
    epochs = [rows_of(order, epoch) for epoch in range(3)]
    for rows in epochs:
        assert np.array_equal(np.sort(rows), np.arange(100))
        assert not np.array_equal(rows, np.arange(100))
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(rows_of(TwoLevelOrder(edges, held, 3, sequential), 1), epochs[1])
    assert not np.array_equal(rows_of(TwoLevelOrder(edges, held, 4, sequential), 1), epochs[1])


def test_blocks_are_permuted_unless_they_come_as_they_come():
    edges = np.arange(0, 101, 10)
    assert not np.array_equal(TwoLevelOrder(edges, 2, 0, False).blocks(0), np.arange(10))
    assert np.array_equal(TwoLevelOrder(edges, 2, 0, True).blocks(0), np.arange(10))


def test_groups_of_one_epoch_have_orders_of_their_own():
    order = TwoLevelOrder(np.arange(0, 101, 10), 5, 0, True)
    assert not np.array_equal(order.rows(0, 0, 50), order.rows(0, 1, 50))
    assert not np.array_equal(order.rows(0, 0, 50), order.rows(1, 0, 50))


def test_without_a_seed_rows_stay_where_they_are():
    assert np.array_equal(
        rows_of(TwoLevelOrder(np.array([0, 7, 9, 30, 100]), 2, None, False), 5), np.arange(100)
    )


def test_rows_mix_over_a_group_and_groups_over_the_epoch():
    """Of sorted rows, each group holds some from all over."""
    order = TwoLevelOrder(np.arange(0, 10001, 10), 50, 0, False)
    first = rows_of(order, 0)[:500]
    assert first.min() < 1000
    assert first.max() > 9000
    assert np.abs(np.diff(first)).mean() > 1000


def test_where_the_numbers_come_from():
    """A run goes on with the order that it began with, in a later version too."""
    order = TwoLevelOrder(np.arange(0, 101, 10), 4, 3, False)
    assert np.array_equal(order.blocks(5), np.random.default_rng([3, 5, 1]).permutation(10))
    assert np.array_equal(order.rows(5, 2, 20), np.random.default_rng([3, 5, 4]).permutation(20))
    assert order.blocks(0).dtype == TwoLevelOrder(order.edges, 4, None, False).blocks(0).dtype == np.int64
    assert (
        order.rows(0, 0, 40).dtype
        == TwoLevelOrder(order.edges, 4, None, False).rows(0, 0, 40).dtype
        == np.int32
    )
