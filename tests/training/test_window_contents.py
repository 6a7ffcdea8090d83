"""What windows are made of, counted by hand: ten examples in blocks of two, read two blocks at a time."""

import numpy as np
import pytest

from gpunet.inputs.blocks.order import TwoLevelOrder
from gpunet.training.window_contents import Epoch, blocks_from, contents

ORDER = TwoLevelOrder(np.arange(0, 12, 2), held=2, seed=None, sequential=False)
EPOCH = Epoch(0, np.arange(5), used=np.array([4, 8, 10]), ends=np.array([3, 6, 10]))


class All:
    whole = True

    def __call__(self, first, last):
        return np.ones(last - first, bool)


class Even:
    """The positions of a rank."""

    whole = False

    def __call__(self, first, last):
        return np.arange(first, last) % 2 == 0


def of(number, share):
    """Blocks, size, order and what is left over of each window from one on; which rows of the blocks."""
    found = list(contents(EPOCH, number, ORDER, share))
    assert [one.stop for one in found] == EPOCH.ends[number:].tolist()
    assert all(one.order.dtype == np.int32 for one in found)
    said = [(list(one.rows), one.size, one.order.tolist(), one.left_over.tolist()) for one in found]
    return said, [[None if rows is None else rows.tolist() for rows in one.rows.values()] for one in found]


def test_what_is_left_over_opens_the_next_window():
    said, rows = of(0, All())
    assert said == [
        ([0, 1], 4, [0, 1, 2], [3]),
        ([2, 3], 5, [0, 1, 2], [3, 4]),  # example 3, then 4 to 7
        ([4], 4, [0, 1, 2, 3], []),  # 6 and 7, then 8 and 9
    ]
    assert rows == [[None, None], [None, None], [None]]


def test_a_later_window_reads_its_first_group_as_a_whole():
    said, _ = of(2, All())
    assert said == [([2, 3, 4], 6, [2, 3, 4, 5], [])]
    assert [blocks_from(EPOCH, number, ORDER).tolist() for number in range(3)] == [
        [0, 1, 2, 3, 4],
        [0, 1, 2, 3, 4],
        [2, 3, 4],
    ]


def test_a_rank_has_only_its_own_examples_in_memory():
    """Those of others are past the last one."""
    said, rows = of(0, Even())
    assert said == [
        ([0, 1], 2, [0, 2, 1], []),  # examples 0 and 2
        ([2, 3], 2, [2, 0, 2], [1]),  # 4 and 6; 6 is left over
        ([4], 2, [0, 2, 1, 2], []),  # 6 and 8
    ]
    assert rows == [[[0], [0]], [[0], [0]], [[0]]]


def test_a_rank_without_examples_reads_one():
    """The last one of the newest block, to have arrays of the right shape."""

    class Nobodys(Even):
        def __call__(self, first, last):
            return np.zeros(last - first, bool)

    said, rows = of(0, Nobodys())
    assert [size for _, size, _, _ in said] == [1, 1, 1]
    assert rows == [[[], [1]], [[], [1]], [[1]]]
    one = Epoch(0, np.arange(1), used=np.array([1]), ends=np.array([1]))
    [content] = contents(one, 0, TwoLevelOrder(np.arange(2), 1, None, False), Nobodys())
    assert (content.rows, content.size) == ({0: None}, 1)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_rows_of_a_group_are_permuted(number):
    """Each window uses each of its examples once; all windows together use all."""
    order = TwoLevelOrder(ORDER.edges, held=2, seed=3, sequential=False)
    epoch, memory, found = EPOCH._replace(blocks=order.blocks(0)), [], []
    for content in contents(epoch, number, order, All()):
        memory = [*memory, *(2 * block + row for block in content.rows for row in range(2))]
        assert len(memory) == content.size
        found += [memory[place] for place in content.order]
        memory = [memory[place] for place in content.left_over]
    assert len(set(found)) == len(found) == 10 - (0, 3, 6)[number]
    assert memory == []
