"""Windows of steps: the examples of a run that are in memory at a time, where not all of them are.

A window is read by a thread while the program works on the one before; where the device copies while it computes, two
windows ahead. The first window of an epoch is read ahead, too, at the end of the epoch before. A program sees a window
as ordinary examples, with an order of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.core.plan import Plan
from gpunet.devices.reused_memory import ReusedMemory
from gpunet.inputs.blocks.blocks import HELD, held_together
from gpunet.inputs.blocks.order import TwoLevelOrder
from gpunet.inputs.blocks.stream import Stream
from gpunet.inputs.pipeline import Examples
from gpunet.teams.share import Share
from gpunet.training.frozen import FrozenBase

Array = Any


class Window(NamedTuple):
    """What is in memory for some steps of an epoch."""

    examples: Examples
    order: NDArray[np.int32]  # in which the steps use them; those of other ranks are past the last


class ReadWindow(NamedTuple):
    """A window on its way to the device."""

    take: Callable[[], list[Array]]  # its arrays, once they are there
    weighted: bool
    order: NDArray[np.int32]


class Epoch(NamedTuple):
    """Where the windows of an epoch end."""

    number: int  # epochs that the network has been trained for
    blocks: NDArray[np.int64]  # their numbers, in the order of their use
    used: NDArray[np.int64]  # examples, at the end of each group
    ends: NDArray[np.int64]  # examples, at the end of each window


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
        if self.plan.in_parts:
            return Epoch(number, blocks, used, used)
        # A batch whose examples have not all been read waits for the next window; so do the batches of a block of the
        # program, which is computed in one piece.
        whole = used // self.plan.batch_size
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
            (X, Y, weights), order = next(windows)
            columns: list[Any] = [X, Y] if weights is None else [X, Y, weights]
            rows = [np.ascontiguousarray(part.T) for part in columns]
            return ReadWindow(self.transfer.begin(rows), weights is not None, order)

        return self.thread.submit(read)

    def _stop_reading(self) -> None:
        """Read no window of those that nobody waits for any more."""
        for _, future in () if self.reading is None else self.reading.futures:
            future.cancel()
        self.reading = None

    def _on_device(self, window: ReadWindow) -> Window:
        columns = [rows.T for rows in window.take()]
        examples = Examples(columns[0], columns[1], columns[2] if window.weighted else None)
        if not self.stream.raw:
            examples = self.base.examples_above(examples)
        return Window(examples, window.order)

    def _windows(self, epoch: Epoch, number: int) -> Iterator[Window]:
        """The windows of an epoch from one of them on. Runs in the thread."""
        used, ends = epoch.used, epoch.ends
        # The position of the first example that is wanted.
        first = int(ends[number - 1]) if number else 0
        group = int(np.searchsorted(used, first, side="right"))
        position = int(used[group - 1]) if group else 0  # of the first example that is not read yet
        held, sizes = self.order.held, np.diff(self.stream.blocks.edges)
        wanted_rows: dict[int, NDArray[np.int64] | None] = {}  # of each block
        blocks = self.stream.blocks.read(epoch.blocks[group * held :].tolist(), wanted_rows.pop)
        rest: Examples | None = None  # what was read for the window before and is used in this one
        waiting = 0  # examples of the windows before that are used in this one, read or not
        for last in ends[number:].tolist():
            end = int(np.searchsorted(used, last)) + 1
            begun = position - waiting
            orders = [np.arange(waiting, dtype=np.int32)]
            for one in range(group, end):
                rows = int(used[one]) - position
                orders.append(position - begun + self.order.rows(epoch.number, one, rows))
                position += rows
            order = np.concatenate(orders, dtype=np.int32)[first - begun :]
            numbers = epoch.blocks[group * held : end * held]
            count, mine, some = position - begun, np.ones(position - last, np.bool_), [None] * len(numbers)
            if not self.share.whole:
                mine = self.share(first, position)
                edges = np.cumsum([waiting, *sizes[numbers[:-1]]])
                order, some, count = _wanted(order, mine, count, edges)
                mine = mine[last - first :]
            wanted_rows.update(zip(numbers.tolist(), some, strict=True))
            parts = (self.stream.examples(block) for block in blocks)
            examples: Any = _together(rest, parts, count, self.memory)
            group, rest, waiting = end, None, position - last
            if waiting:
                rest = _taken(examples, order[last - first :][mine])
            window, examples = Window(examples, order[: last - first]), None
            if last == self.stream.m:
                next(blocks, None)  # a source that has become longer says so
            yield window
            del window  # before the next one takes its place in memory
            first = last


def _wanted(
    order: NDArray[np.int32], mine: NDArray[np.bool_], count: int, edges: NDArray[np.int64]
) -> tuple[NDArray[np.int32], list[Any], int]:
    """What a rank reads of `count` rows that steps use in some order, a part of them for `mine`.

    Returns
    -------
    order : int32 array
        Among the rows that are read; their count for the others.
    rows : list of int64 array or None
        Which ones of each block, where `edges` say that the blocks begin; None for all.
    count : int
        At least one, to have arrays of the right shape.
    """
    wanted = np.zeros(count, np.bool_)
    wanted[order[mine]] = True
    wanted[-1] |= not wanted.any()
    rows = [None if some.all() else np.flatnonzero(some) for some in np.split(wanted, edges)[1:]]
    count = int(wanted.sum())
    return np.where(wanted, np.cumsum(wanted, dtype=np.int32) - 1, np.int32(count))[order], rows, count


def _together(rest: Examples | None, parts: Iterator[Examples], m: int, memory: ReusedMemory) -> Examples:
    """The examples of `rest` and of as many parts as make m, side by side."""
    filled = 0
    arrays: Any = None
    while filled < m:
        part: Any = next(parts) if rest is None else rest
        rest = None
        rows = [None if A is None else A.T for A in part]
        if arrays is None:
            arrays = [None if A is None else memory.empty((m, A.shape[1]), A.dtype) for A in rows]
        count = len(part.X.T)
        for A, some in zip(arrays, rows, strict=True):
            if A is not None and some is not None:
                A[filled : filled + count] = some
        filled += count
    assert arrays is not None
    return Examples(*(None if A is None else A.T for A in arrays))


def _taken(examples: Any, chosen: NDArray[np.int32]) -> Examples:
    """A copy of some examples."""
    return Examples(*(None if A is None else A.T[chosen].T for A in examples))
