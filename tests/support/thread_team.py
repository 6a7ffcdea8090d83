"""Teams whose ranks are threads of this process, so that tests need no launcher."""

import copy
import threading

import numpy as np

import gpunet as gn
from gpunet.teams.engine import Engine

SECONDS = 60  # before a rank that waits gives up


class Aborted(Exception):
    """A rank has ended the job."""


class Threads(Engine):
    """One rank of several; they share a table, and a barrier."""

    name = "threads"

    def __init__(self, rank, size, barrier, table):
        self.rank, self.size, self.barrier, self.table = rank, size, barrier, table
        self.aborted_by = None

    def _meet(self, value):
        try:
            self.table[self.rank] = copy.deepcopy(value)
            self.barrier.wait(SECONDS)
            answers = copy.deepcopy([self.table[rank] for rank in range(self.size)])
            self.barrier.wait(SECONDS)
        except threading.BrokenBarrierError:
            raise Aborted from None
        return answers

    def gather(self, value):
        return self._meet(value)

    def exchange(self, parts, sizes):
        received = [parts[self.rank] for parts in self._meet(list(parts))]
        assert [part.size for part in received] == list(sizes)
        return received

    def spread(self, part, sizes):
        parts = self._meet(part)
        assert [one.size for one in parts] == list(sizes)
        return np.concatenate(parts)

    def abort(self, error):
        self.aborted_by = error
        self.barrier.abort()


def on_ranks(size, function, lanes=8):
    """What ``function(team)`` returns on each rank, or the error that it raises."""
    barrier, table, results = threading.Barrier(size), {}, {}

    def run(rank):
        team = gn.Team.of(Threads(rank, size, barrier, table), lanes)
        try:
            results[rank] = function(team)
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[rank] for rank in range(size)]
