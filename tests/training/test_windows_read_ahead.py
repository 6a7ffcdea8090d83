"""Windows that are read while an earlier one trains: how many, in which order, and what an error does."""

import threading

import numpy as np
import pytest

from gpunet.devices.placement import Placement
from gpunet.devices.transfer import Transfer
from gpunet.inputs.blocks.stream import Stream
from numbered_windows import HELD, ROWS, SEED, M, numbers_in, recorded, wait
from streams import used_order


@pytest.mark.parametrize("ahead", [1, 2])
def test_the_next_windows_are_read_ahead_and_no_further(ahead, windows_of, monkeypatch):
    monkeypatch.setattr(Transfer, "ahead", ahead)
    windows = windows_of(4)
    read = recorded(monkeypatch)
    for number, step in enumerate((0, 5, 10, 15, 21)):
        window = windows.window(0, step)
        assert windows.window(0, step + 1) is window  # it is kept
        wait(windows)
        assert len(read) == min(HELD * (number + 1 + ahead), -(-M // ROWS))
    assert windows.reading is None
    windows.window(0, 15)  # back to a window before reads its groups alone, and the next one
    wait(windows)
    assert len(read) <= -(-M // ROWS) + 3 * HELD


@pytest.mark.parametrize("seed", [SEED, None])
@pytest.mark.parametrize(
    ("batch_size", "block_steps", "ahead"), [(4, 1, 1), (4, 6, 2), (30, 1, 1), (100, 1, 2)]
)
def test_the_next_epoch_is_read_ahead(batch_size, block_steps, ahead, seed, windows_of, monkeypatch):
    """At the end of the one before, if there is a next one; each block is read once in each epoch."""
    monkeypatch.setattr(Transfer, "ahead", ahead)
    windows = windows_of(batch_size, seed, block_steps)
    windows.epochs, read = 5, recorded(monkeypatch)
    steps, epochs = -(-M // batch_size), (2, 3, 4)  # the network has been trained for two
    left = sum(len({windows.steps(epoch, step).start for step in range(steps)}) for epoch in epochs)
    for epoch in epochs:
        order = np.arange(M) if seed is None else used_order(M, ROWS, HELD, seed, epoch)
        step = 0
        while step < steps:
            window = windows.steps(epoch, step)
            found = numbers_in(windows.window(epoch, step))
            assert np.array_equal(found, order[window.start * batch_size : window.stop * batch_size])
            wait(windows)
            left -= 1
            on_their_way = 0 if windows.reading is None else len(windows.reading.futures)
            assert on_their_way == min(ahead, left)
            step = window.stop
    assert sorted(read) == sorted(3 * list(range(0, M, ROWS)))
    assert windows.reading is None


def test_what_others_may_be_reading_is_not_read_ahead_for_the_next_epoch(windows_of, monkeypatch):
    """A generator, or an object that is no array of a known library: validation may read what it reads from."""
    windows = windows_of(4)
    assert windows.stream.blocks.concurrent
    windows.stream.blocks.concurrent = False
    windows.epochs, read = 5, recorded(monkeypatch)
    for step in (0, 5, 10, 15, 21):
        windows.window(2, step)
        wait(windows)
    assert windows.reading is None
    assert len(read) == -(-M // ROWS)
    windows.window(3, 0)
    wait(windows)
    assert len(read) == -(-M // ROWS) + 2 * HELD


def test_an_error_while_the_next_epoch_is_read_ahead_comes_with_it(windows_of, monkeypatch):
    examples, windows = Stream.examples, windows_of(4)
    windows.epochs, left = 5, [-(-M // ROWS)]

    def failing(self, block):
        if not left[0]:
            raise ValueError("a damaged block")
        left[0] -= 1
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", failing)
    for step in (0, 5, 10, 15, 21):
        windows.window(2, step)
    wait_for = windows.reading.futures[0][1]
    assert "damaged" in str(wait_for.exception())
    with pytest.raises(ValueError, match="a damaged block"):
        windows.window(3, 0)


class Recorded(Transfer):
    """What is begun and taken, in its order."""

    def __init__(self, ahead):
        super().__init__(lambda array: array)
        self.ahead, self.calls, self.count = ahead, [], 0

    def begin(self, arrays):
        number, take = self.count, super().begin(arrays)
        self.count += 1
        self.calls.append(("begun", number, threading.current_thread() is threading.main_thread()))
        return lambda: (self.calls.append(("taken", number)), take())[1]

    def close(self):
        self.calls.append("closed")


@pytest.mark.parametrize("ahead", [1, 2, 9])
def test_windows_are_brought_to_the_device_by_the_thread_and_taken_in_their_order(
    ahead, windows_of, monkeypatch
):
    transfer = Recorded(ahead)
    monkeypatch.setattr(Placement, "transfer", lambda self: transfer)
    weights = np.arange(1.0, M + 1)
    windows = windows_of(4, weights=weights)
    order = used_order(M, ROWS, HELD, SEED, 0)
    for number, step in enumerate((0, 5, 10, 15, 21)):
        window = windows.steps(0, step)
        assert np.array_equal(
            numbers_in(windows.window(0, step), True), order[4 * window.start : 4 * window.stop]
        )
        wait(windows)
        assert transfer.count == min(number + 1 + ahead, 5)
    begun = [("begun", number, False) for number in range(5)]
    assert [call for call in transfer.calls if call[0] == "begun"] == begun
    assert [call for call in transfer.calls if call[0] == "taken"] == [("taken", k) for k in range(5)]
    windows.close()
    assert transfer.calls[-1] == "closed"


def test_what_nobody_waits_for_any_more_is_not_read(windows_of, monkeypatch):
    """The next epoch leaves what was to be read ahead of this one."""
    monkeypatch.setattr(Transfer, "ahead", 4)
    windows, examples = windows_of(4), Stream.examples
    begun, allowed, read = threading.Event(), threading.Event(), []

    def waiting(self, block):
        if len(read) >= HELD:  # of the second window
            begun.set()
            allowed.wait(60)
        read.append(block.first)
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", waiting)
    windows.window(0, 0)
    assert begun.wait(60)
    windows.steps(1, 0)
    allowed.set()
    last = used_order(M, ROWS, HELD, SEED, 1)[4 * windows.steps(1, 24).start :]
    assert np.array_equal(numbers_in(windows.window(1, 24)), last)
    assert len(read) <= 4 * HELD  # two windows, and the last one of the next epoch


def test_an_error_while_reading_ahead_comes_with_its_window(windows_of, monkeypatch):
    examples = Stream.examples
    bad = windows_of(4).order.blocks(0)[HELD] * ROWS

    def failing(self, block):
        if block.first == bad:
            raise ValueError("a damaged block")
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", failing)
    windows = windows_of(4)
    windows.window(0, 0)
    with pytest.raises(ValueError, match="a damaged block"):
        windows.window(0, 5)
    with pytest.raises(ValueError, match="a damaged block"):
        windows.window(0, 5)
