"""Which examples of a window each rank of a team reads."""

import numpy as np
import pytest

from gpunet.core.lanes import lane_bounds
from gpunet.inputs.blocks.stream import Stream
from gpunet.teams.alone import Alone
from numbered_windows import HELD, ROWS, SEED, M, numbers_in
from streams import used_order


class Rank(Alone):
    """One of so many ranks, which exchanges nothing here."""

    def __init__(self, rank, size, survives=False):
        self.rank, self.size, self.survives = rank, size, survives


@pytest.mark.parametrize("weights", [None, np.arange(1.0, M + 1)])
@pytest.mark.parametrize("seed", [SEED, None])
@pytest.mark.parametrize(
    ("ranks", "batch_size", "lanes"),
    [
        *((2, 8, 8), (2, 21, 4), (2, 30, 7), (3, 45, 3), (3, 100, 8)),
        (32, 84, 32),  # of the last 16 examples half of the ranks have none
    ],
)
def test_each_rank_reads_the_examples_of_its_lanes(ranks, batch_size, lanes, seed, weights, windows_of):
    """From any step on; what is another rank's has no place in memory, and each row is one rank's."""
    order = np.arange(M) if seed is None else used_order(M, ROWS, HELD, seed, 2)
    steps, owners = -(-M // batch_size), np.zeros(M, int)
    for rank in range(ranks):
        engine = Rank(rank, ranks)
        windows = windows_of(batch_size, seed, weights=weights, engine=engine, lanes=lanes)
        step = 0
        while step < steps:
            at = windows.steps(2, step)
            first, last = at.start * batch_size, min(at.stop * batch_size, M)
            mine = np.array(
                [rank == rank_of(place, batch_size, lanes, ranks) for place in range(first, last)]
            )
            for one in (windows, windows_of(batch_size, seed, weights=weights, engine=engine, lanes=lanes)):
                window = one.window(2, step)
                here = window.examples.X.shape[1]
                expected = order[first:last][mine]
                found = numbers_in(window._replace(order=window.order[mine]), weights is not None)
                assert np.array_equal(found, expected)
                assert (window.order[~mine] == here).all() or not mine.any()
                # What is left over for the next window is here, too.
                assert here <= max(mine.sum() + -(-batch_size // ranks), 1)
            owners[expected] += 1
            step = at.stop
    assert (owners == 1).all()


def rank_of(place, batch_size, lanes, ranks):
    """Whose the example at this position of an epoch is."""
    size = min(batch_size, M - place // batch_size * batch_size)
    bounds = [lane_bounds(size, lanes, lane) for lane in range(lanes)]
    lane = next(lane for lane, (first, last) in enumerate(bounds) if first <= place % batch_size < last)
    return next(rank for rank in range(ranks) if lane < (rank + 1) * lanes // ranks)


@pytest.mark.parametrize(
    ("engine", "lanes"), [(Rank(1, 2, survives=True), 8), (Rank(1, 2), None), (Alone(), 8)]
)
def test_who_reads_all_examples(engine, lanes, windows_of, monkeypatch):
    """A rank that may have to do another one's work, one without lanes, and one that is alone: blocks as a whole."""
    windows = windows_of(21, engine=engine, lanes=lanes)
    examples = Stream.examples

    def of_a_whole_block(self, block):
        assert block.rows is None
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", of_a_whole_block)
    assert np.array_equal(numbers_in(windows.window(0, 1)), used_order(M, ROWS, HELD, SEED, 0)[21:42])
