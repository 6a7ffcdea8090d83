"""Windows by themselves: which examples, in which order, from any step on."""

import dataclasses

import numpy as np
import pytest

from gpunet.inputs.blocks.stream import Stream
from numbered_windows import HELD, ROWS, SEED, M, numbers_in, wait
from streams import used_order


@pytest.mark.parametrize("weights", [None, np.arange(1.0, M + 1)])
@pytest.mark.parametrize("seed", [SEED, None])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 21, 30, 100])
def test_examples_of_each_window_from_any_step_on(batch_size, seed, weights, windows_of):
    """Read one after the other, or beginning with any of them, as a run does that goes on."""
    running = windows_of(batch_size, seed, weights=weights)
    steps = -(-M // batch_size)
    for epoch in (0, 3):
        order = np.arange(M) if seed is None else used_order(M, ROWS, HELD, seed, epoch)
        for step in range(steps):
            window = running.steps(epoch, step)
            assert step in window
            expected = order[window.start * batch_size : window.stop * batch_size]
            weighted = weights is not None
            assert np.array_equal(numbers_in(running.window(epoch, step), weighted), expected)
            if step == window.stop - 1:
                beginning = windows_of(batch_size, seed, weights=weights)
                assert np.array_equal(numbers_in(beginning.window(epoch, step), weighted), expected)


@pytest.mark.parametrize(
    ("batch_size", "block_steps", "every", "stops"),
    [
        (1, 1, None, [21, 42, 63, 84, 100]),
        (4, 1, None, [5, 10, 15, 21, 25]),
        (4, 2, None, [4, 10, 14, 20, 25]),
        (4, 6, None, [6, 12, 18, 25]),
        (1, 8, None, [16, 40, 56, 80, 100]),
        (1, 8, 20, [20, 40, 60, 80, 100]),
        (1, 8, 30, [16, 38, 60, 84, 100]),
        (30, 1, None, [1, 2, 4]),
        (100, 1, None, [1]),
    ],
)
def test_windows_end_where_batches_and_blocks_of_steps_do(batch_size, block_steps, every, stops, windows_of):
    windows = windows_of(batch_size, block_steps=block_steps, every=every)
    found, step = [], 0
    while step < -(-M // batch_size):
        step = windows.steps(0, step).stop
        found.append(step)
    assert found == stops


def test_an_epoch_that_is_not_the_next_one(windows_of, monkeypatch):
    """As after a divergence: what was read ahead is dropped."""
    windows = windows_of(4)
    windows.epochs = 5
    for step in (0, 5, 10, 15, 21):
        windows.window(2, step)
    order = used_order(M, ROWS, HELD, SEED, 2)
    assert np.array_equal(numbers_in(windows.window(2, 21)), order[4 * windows.steps(2, 21).start :])
    assert np.array_equal(numbers_in(windows.window(2, 0)), order[: 4 * windows.steps(2, 0).stop])
    assert np.array_equal(
        numbers_in(windows.window(4, 0)), used_order(M, ROWS, HELD, SEED, 4)[: 4 * windows.steps(4, 0).stop]
    )
    wait(windows)
    assert windows.reading is not None


def test_windows_of_batches_in_parts(windows_of, monkeypatch):
    """They end where groups do, in the midst of batches."""
    windows = windows_of(45)
    windows.plan = dataclasses.replace(windows.plan, in_parts=True)
    ends, position = [], 0
    order = used_order(M, ROWS, HELD, SEED, 3)
    while position < M:
        positions = windows.positions(3, position)
        assert positions == windows.positions(3, positions.stop - 1)
        assert np.array_equal(numbers_in(windows.at(3, position)), order[positions.start : positions.stop])
        position = positions.stop
        ends.append(position)
    assert ends == windows.order.ends(windows.order.blocks(3)).tolist()
    assert len(ends) == 5
    for step, stop in enumerate((1, 2, 3)):
        assert windows.steps(3, step).start <= step < windows.steps(3, step).stop <= stop + 1


def test_a_window_that_begins_with_a_group_reads_no_other(windows_of, monkeypatch):
    read = []
    examples = Stream.examples
    monkeypatch.setattr(
        Stream, "examples", lambda self, block: (read.append(block.first), examples(self, block))[1]
    )
    windows = windows_of(7)
    windows.window(0, 3)  # groups have three batches
    assert windows.reading is not None
    wait(windows)
    blocks = (windows.order.blocks(0)[HELD : 3 * HELD] * ROWS).tolist()
    assert read == blocks
