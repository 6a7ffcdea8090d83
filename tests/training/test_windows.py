"""Windows by themselves: which examples, in which order, and when they are read."""

import dataclasses
import threading

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.lanes import lane_bounds
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import TrainState
from gpunet.devices.placement import Placement, host_placement
from gpunet.devices.transfer import Transfer
from gpunet.inputs.blocks.fit import with_targets
from gpunet.inputs.blocks.opened import opened
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.pipeline import InputPipeline
from gpunet.teams.alone import Alone
from gpunet.teams.share import Share
from gpunet.training.frozen import FrozenBase
from gpunet.training.windows import Windows
from streams import mapped, small_blocks, used_order

M, ROWS, HELD, SEED = 100, 7, 3, 5  # groups of 21 examples


@pytest.fixture
def made(tmp_path, monkeypatch):
    """``made(batch_size)``: windows of examples that are numbered, with targets ten times as large."""
    small_blocks(monkeypatch, ROWS, HELD, 2)
    numbers = np.arange(M, dtype="float32")
    X = mapped(tmp_path, "X", np.stack([numbers, -numbers], axis=1))
    placement, open_ones = host_placement(), []

    def make(batch_size, seed=SEED, block_steps=1, every=None, weights=None, engine=None, lanes=None):
        layers, engine = (Layer(2, 1, "identity"),), engine or Alone()
        plan = Plan(layers, "squared_error", gn.GradientDescent(0.1), M, batch_size, lanes=lanes)
        pipeline = InputPipeline(placement, "float32", 2, gn.Dense(1), "squared_error", None)
        blocks = with_targets(*opened(X, 10 * numbers, weights, "float32"))
        state = TrainState([(np.ones((1, 2)), np.ones((1, 1)))], [((), ())])
        base = FrozenBase(plan, state, placement, kept=False)
        windows = Windows(Stream(blocks, pipeline), plan, seed, base, Share(plan, engine), block_steps, every)
        open_ones.append(windows)
        return windows

    yield make
    for windows in open_ones:
        windows.close()


def numbers_in(window, weighted=False):
    """The examples that a window's steps use, in their order."""
    (X, Y, weights), order = window
    found = X[0][order].astype(int)
    assert np.array_equal(X[1][order], -found)
    assert np.array_equal(Y[0][order], 10 * found)
    assert (weights is not None) == weighted
    assert not weighted or np.array_equal(weights[0][order], 1 + found)
    return found


@pytest.mark.parametrize("weights", [None, np.arange(1.0, M + 1)])
@pytest.mark.parametrize("seed", [SEED, None])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 21, 30, 100])
def test_examples_of_each_window_from_any_step_on(batch_size, seed, weights, made):
    """Read one after the other, or beginning with any of them, as a run does that goes on."""
    running = made(batch_size, seed, weights=weights)
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
                beginning = made(batch_size, seed, weights=weights)
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
def test_windows_end_where_batches_and_blocks_of_steps_do(batch_size, block_steps, every, stops, made):
    windows = made(batch_size, block_steps=block_steps, every=every)
    found, step = [], 0
    while step < -(-M // batch_size):
        step = windows.steps(0, step).stop
        found.append(step)
    assert found == stops


def wait(windows):
    """Until all that is to be read ahead has been."""
    for _, future in () if windows.reading is None else windows.reading.futures:
        future.result()


@pytest.mark.parametrize("ahead", [1, 2])
def test_the_next_windows_are_read_ahead_and_no_further(ahead, made, monkeypatch):
    monkeypatch.setattr(Transfer, "ahead", ahead)
    windows = made(4)
    read = []
    examples = Stream.examples

    def recorded(self, block):
        read.append(block.first)
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", recorded)
    for number, step in enumerate((0, 5, 10, 15, 21)):
        window = windows.window(0, step)
        assert windows.window(0, step + 1) is window  # it is kept
        wait(windows)
        assert len(read) == min(HELD * (number + 1 + ahead), -(-M // ROWS))
    assert windows.reading is None
    windows.window(0, 15)  # back to a window before reads its groups alone, and the next one
    wait(windows)
    assert len(read) <= -(-M // ROWS) + 3 * HELD


def recorded(monkeypatch):
    """The first rows of blocks that are read from here on."""
    read, examples = [], Stream.examples

    def recording(self, block):
        read.append(block.first)
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", recording)
    return read


@pytest.mark.parametrize("seed", [SEED, None])
@pytest.mark.parametrize(
    ("batch_size", "block_steps", "ahead"), [(4, 1, 1), (4, 6, 2), (30, 1, 1), (100, 1, 2)]
)
def test_the_next_epoch_is_read_ahead(batch_size, block_steps, ahead, seed, made, monkeypatch):
    """At the end of the one before, if there is a next one; each block is read once in each epoch."""
    monkeypatch.setattr(Transfer, "ahead", ahead)
    windows = made(batch_size, seed, block_steps)
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


def test_what_others_may_be_reading_is_not_read_ahead_for_the_next_epoch(made, monkeypatch):
    """A generator, or an object that is no array of a known library: validation may read what it reads from."""
    windows = made(4)
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


def test_an_epoch_that_is_not_the_next_one(made, monkeypatch):
    """As after a divergence: what was read ahead is dropped."""
    windows = made(4)
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


def test_an_error_while_the_next_epoch_is_read_ahead_comes_with_it(made, monkeypatch):
    examples, windows = Stream.examples, made(4)
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


def test_windows_of_batches_in_parts(made, monkeypatch):
    """They end where groups do, in the midst of batches."""
    windows = made(45)
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
def test_windows_are_brought_to_the_device_by_the_thread_and_taken_in_their_order(ahead, made, monkeypatch):
    transfer = Recorded(ahead)
    monkeypatch.setattr(Placement, "transfer", lambda self: transfer)
    weights = np.arange(1.0, M + 1)
    windows = made(4, weights=weights)
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


def test_what_nobody_waits_for_any_more_is_not_read(made, monkeypatch):
    """The next epoch leaves what was to be read ahead of this one."""
    monkeypatch.setattr(Transfer, "ahead", 4)
    windows, examples = made(4), Stream.examples
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


def test_a_window_that_begins_with_a_group_reads_no_other(made, monkeypatch):
    read = []
    examples = Stream.examples
    monkeypatch.setattr(
        Stream, "examples", lambda self, block: (read.append(block.first), examples(self, block))[1]
    )
    windows = made(7)
    windows.window(0, 3)  # groups have three batches
    assert windows.reading is not None
    wait(windows)
    blocks = (windows.order.blocks(0)[HELD : 3 * HELD] * ROWS).tolist()
    assert read == blocks


def test_an_error_while_reading_ahead_comes_with_its_window(made, monkeypatch):
    examples = Stream.examples
    bad = made(4).order.blocks(0)[HELD] * ROWS

    def failing(self, block):
        if block.first == bad:
            raise ValueError("a damaged block")
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", failing)
    windows = made(4)
    windows.window(0, 0)
    with pytest.raises(ValueError, match="a damaged block"):
        windows.window(0, 5)
    with pytest.raises(ValueError, match="a damaged block"):
        windows.window(0, 5)


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
def test_each_rank_reads_the_examples_of_its_lanes(ranks, batch_size, lanes, seed, weights, made):
    """From any step on; what is another rank's has no place in memory, and each row is one rank's."""
    order = np.arange(M) if seed is None else used_order(M, ROWS, HELD, seed, 2)
    steps, owners = -(-M // batch_size), np.zeros(M, int)
    for rank in range(ranks):
        engine = Rank(rank, ranks)
        windows = made(batch_size, seed, weights=weights, engine=engine, lanes=lanes)
        step = 0
        while step < steps:
            at = windows.steps(2, step)
            first, last = at.start * batch_size, min(at.stop * batch_size, M)
            mine = np.array(
                [rank == rank_of(place, batch_size, lanes, ranks) for place in range(first, last)]
            )
            for one in (windows, made(batch_size, seed, weights=weights, engine=engine, lanes=lanes)):
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
def test_who_reads_all_examples(engine, lanes, made, monkeypatch):
    """A rank that may have to do another one's work, one without lanes, and one that is alone: blocks as a whole."""
    windows = made(21, engine=engine, lanes=lanes)
    examples = Stream.examples

    def of_a_whole_block(self, block):
        assert block.rows is None
        return examples(self, block)

    monkeypatch.setattr(Stream, "examples", of_a_whole_block)
    assert np.array_equal(numbers_in(windows.window(0, 1)), used_order(M, ROWS, HELD, SEED, 0)[21:42])
