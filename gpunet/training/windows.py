"""Windows of steps: the examples of a run that are in memory at a time, where not all of them are.

A window is read by a thread while the program works on the one before; where the device copies while it computes, two
windows ahead. The first window of an epoch is read ahead, too, at the end of the epoch before. A program sees a window
as ordinary examples, with an order of their own.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.core.plan import Plan
from gpunet.devices.reused_memory import ReusedMemory
from gpunet.inputs.blocks.blocks import HELD, Block, held_together
from gpunet.inputs.blocks.order import TwoLevelOrder
from gpunet.inputs.blocks.room import Room, no_room, same_memory
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.integer_examples import IntegerExamples
from gpunet.inputs.pipeline import Examples
from gpunet.teams.share import Share
from gpunet.training.frozen import FrozenBase
from gpunet.training.window_contents import Epoch, blocks_from, contents

Array = Any


class Window(NamedTuple):
    """What is in memory for some steps of an epoch."""

    examples: Examples
    order: NDArray[np.int32]  # in which the steps use them; those of other ranks are past the last


class ReadWindow(NamedTuple):
    """A window on its way to the device."""

    take: Callable[[], list[Array]]  # the rows of X and Y, and weights if there are, once they are there
    order: NDArray[np.int32]


class Reading(NamedTuple):
    """What the thread does."""

    windows: Iterator[Window]
    coming: Iterator[tuple[int, int]]  # epoch and number of those that are not on their way yet
    futures: deque[tuple[tuple[int, int], Future[ReadWindow]]]  # those that are


class Windows:
    """The examples of a run, window by window.

    Parameters
    ----------
    stream : Stream
    plan : Plan
    seed : int or None
        Of the order; None for that in which the examples are stored.
    base : FrozenBase
        Whose outputs the program reads, unless the stream is raw.
    share : Share
        Which examples are read.
    block_steps : int
        Of the program.
    every : int or None
        Steps from one place to the next where the program counts its blocks afresh.
    """

    def __init__(
        self,
        stream: Stream,
        plan: Plan,
        seed: int | None,
        base: FrozenBase,
        share: Share,
        block_steps: int,
        every: int | None,
    ) -> None:
        self.stream = stream
        self.plan = plan
        self.base = base
        self.share = share
        blocks = stream.blocks
        held = held_together(blocks.edges, blocks.shape, HELD)
        self.order = TwoLevelOrder(blocks.edges, held, seed, blocks.sequential)
        self.block_steps = block_steps
        self.every = every
        self.epochs = 0  # that the network will have been trained for at the end of the run, if it is known
        self.transfer = base.placement.transfer()
        self.memory = ReusedMemory()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="gpunet reader")
        self.known: Epoch | None = None
        self.reading: Reading | None = None
        self.kept: tuple[int, int, Window] | None = None  # epoch, number and content of the present one

    def steps(self, epoch: int, step: int) -> range:
        """The steps of the window that a step of an epoch begins in."""
        size = self.plan.batch_size
        positions = self.positions(epoch, step * size)
        return range(positions.start // size, -(-positions.stop // size))

    def positions(self, epoch: int, position: int) -> range:
        """The positions in the order of an epoch of the window that one of them is in."""
        ends = self._epoch(epoch).ends
        number = int(np.searchsorted(ends, position, side="right"))
        return range(int(ends[number - 1]) if number else 0, int(ends[number]))

    def window(self, epoch: int, step: int) -> Window:
        """The window that a step of an epoch begins in, on the device."""
        return self.at(epoch, step * self.plan.batch_size)

    def at(self, epoch: int, position: int) -> Window:
        """The window that a position in the order of an epoch is in, on the device."""
        known = self._epoch(epoch)
        number = int(np.searchsorted(known.ends, position, side="right"))
        if self.kept is None or self.kept[:2] != (epoch, number):
            self.kept = None  # before another takes its place in memory
            self.kept = epoch, number, self._on_device(self._read(known, number))
        return self.kept[2]

    def close(self) -> None:
        """End reading, and forget what was read."""
        self.reading = self.kept = None
        self.thread.shutdown(cancel_futures=True)
        self.transfer.close()

    def _epoch(self, number: int) -> Epoch:
        """The windows of an epoch; what is read for another one, nobody waits for any more."""
        if self.known is None or self.known.number != number:
            if self.reading is not None and self.reading.futures[0][0][0] != number:
                self._stop_reading()
            self.known = self._windows_of(number)
        return self.known

    def _windows_of(self, number: int) -> Epoch:
        blocks = self.order.blocks(number)
        used = self.order.ends(blocks)
        # Integers take less memory: a window has several groups of them.
        last = np.union1d(used[self.stream.compactness - 1 :: self.stream.compactness], used[-1:])
        if self.plan.in_parts:
            return Epoch(number, blocks, used, last)
        # A batch whose examples have not all been read waits for the next window; so do the batches of a block of the
        # program, which is computed in one piece.
        whole = last // self.plan.batch_size
        counted = 0 if self.every is None else whole // self.every * self.every
        stops = counted + (whole - counted) // self.block_steps * self.block_steps
        stops[-1] = self.plan.steps
        stops = np.unique(stops[stops > 0])
        return Epoch(number, blocks, used, np.minimum(stops * self.plan.batch_size, self.stream.m))

    def _read(self, epoch: Epoch, number: int) -> ReadWindow:
        """One window; the next ones are begun."""
        wanted, reading = (epoch.number, number), self.reading
        if reading is None or reading.futures[0][0] > wanted:
            self._stop_reading()
            reading = Reading(self._windows_from(*wanted), self._from(*wanted), deque())
        self.reading = None  # after an error nothing goes on
        found = None
        while found != wanted:  # it may be one that other ranks alone use
            self._read_ahead(reading, 1)
            found, future = reading.futures.popleft()
            window = future.result()
        self._read_ahead(reading, self.transfer.ahead)
        if reading.futures:
            self.reading = reading
        return window

    def _read_ahead(self, reading: Reading, count: int) -> None:
        """Let so many windows be on their way, if there are."""
        while len(reading.futures) < count:
            window = next(reading.coming, None)
            if window is None:
                return
            reading.futures.append((window, self._begin_reading(reading.windows)))

    def _from(self, epoch: int, number: int) -> Iterator[tuple[int, int]]:
        """Epoch and number of each window from one on, as far as it is known that they will be used."""
        while True:
            for one in range(number, len(self._windows_of(epoch).ends)):
                yield epoch, one
            epoch, number = epoch + 1, 0
            if epoch >= self.epochs or not self.stream.blocks.concurrent:
                return

    def _windows_from(self, epoch: int, number: int) -> Iterator[Window]:
        """The windows from one on. Runs in the thread."""
        while True:
            yield from self._windows(self._windows_of(epoch), number)
            epoch, number = epoch + 1, 0

    def _begin_reading(self, windows: Iterator[Window]) -> Future[ReadWindow]:
        def read() -> ReadWindow:
            examples, order = next(windows)
            rows = [np.ascontiguousarray(A) for A in _rows_of(examples) if A is not None]
            return ReadWindow(self.transfer.begin(rows), order)

        return self.thread.submit(read)

    def _stop_reading(self) -> None:
        """Read no window of those that nobody waits for any more."""
        for _, future in () if self.reading is None else self.reading.futures:
            future.cancel()
        self.reading = None

    def _on_device(self, window: ReadWindow) -> Window:
        X, Y, *weights = window.take()
        examples = Examples(self.stream.columns(X), Y.T, weights[0].T if weights else None)
        if not self.stream.raw:
            examples = self.base.examples_above(examples)
        return Window(examples, window.order)

    def _windows(self, epoch: Epoch, number: int) -> Iterator[Window]:
        """The windows of an epoch from one of them on. Runs in the thread."""
        rows: dict[int, NDArray[np.int64] | None] = {}  # of each block, known once its window is
        chosen = blocks_from(epoch, number, self.order).tolist()
        room = Room(self.memory)
        room_for = room.next if self.stream.compactness > 1 else no_room
        blocks = self.stream.blocks.read(chosen, rows.pop, room_for)
        rest: Examples | None = None  # what was read for the window before and is used in this one
        for content in contents(epoch, number, self.order, self.share):
            rows.update(content.rows)
            count = sum(some is None or len(some) > 0 for some in content.rows.values())
            some = itertools.islice(blocks, count)
            room.begin(content.size)
            examples: Any = _together(self.stream, rest, some, room)
            rest = _taken(examples, content.left_over) if len(content.left_over) else None
            window, examples = Window(examples, content.order), None
            if content.stop == self.stream.m:
                next(blocks, None)  # a source that has become longer says so
            yield window
            del window  # before the next one takes its place in memory


def _together(stream: Stream, rest: Examples | None, blocks: Iterator[Block], room: Room) -> Examples:
    """The examples of `rest` and of as many blocks as fill the room, side by side."""
    m, filled, X = room.m, 0, None
    arrays: Any = None
    if rest is not None and isinstance(rest.X, IntegerExamples):
        rest = rest._replace(X=rest.X.of(room.take(rest.X.rows)))
    parts = itertools.chain([] if rest is None else [rest], stream.together(blocks, room))
    rest = None
    while filled < m:
        part: Any = next(parts)
        rows = _rows_of(part)
        if arrays is None:
            X = part.X
            arrays = [None if A is None else room.memory.empty((m, A.shape[1]), A.dtype) for A in rows[1:]]
            placed = room.rows is not None and same_memory(room.rows, rows[0])
            arrays.insert(0, room.rows if placed else room.memory.empty((m, rows[0].shape[1]), rows[0].dtype))
        elif rows[0].dtype != arrays[0].dtype:  # blocks of a source may have several types
            numbers, rows[0] = _numbers(X, arrays[0][:filled]), _numbers(part.X, rows[0])
            arrays[0], X = room.memory.empty(arrays[0].shape, numbers.dtype), None
            arrays[0][:filled] = numbers
        count = len(rows[0])
        for A, some in zip(arrays, rows, strict=True):
            if A is not None and some is not None and not same_memory(A[filled:], some):
                A[filled : filled + count] = some
        room.filled = filled = filled + count
        del part, rows  # before the next ones are read
    columns = [A if A is None else A.T for A in arrays]
    if isinstance(X, IntegerExamples):
        columns[0] = X.of(arrays[0])
    return Examples(*columns)


def _rows_of(examples: Examples) -> list[Any]:
    """The examples as rows, as they are in memory."""
    X: Any = examples.X
    rows = X.rows if isinstance(X, IntegerExamples) else X.T
    return [rows, *(None if A is None else A.T for A in examples[1:])]


def _numbers(X: Any, rows: Any) -> Any:
    """Rows of examples like those of X, as numbers."""
    return X.of(rows).as_array().T if isinstance(X, IntegerExamples) else rows


def _taken(examples: Any, chosen: NDArray[np.int32]) -> Examples:
    """A copy of some examples."""
    X: Any = examples.X
    taken = X.take(chosen) if isinstance(X, IntegerExamples) else X.T[chosen].T
    return Examples(taken, *(None if A is None else A.T[chosen].T for A in examples[1:]))
