"""What every contender does."""

from __future__ import annotations

import time

import numpy as np


class NotCovered(Exception):
    """The library has no such thing as the case asks for."""


class Peer:
    """One network of one library, with its data converted and resident.

    A contender sets its weights in `reset`, trains in `epoch`, and has finished when that returns.
    """

    whole_epochs = False  # whether only complete epochs can be run
    program = ""  # what ran, where there is more than one

    def __init__(self, case, data, device, threads, backend):
        self.case, self.data, self.net = case, data, case.network
        self.device, self.threads, self.backend = device, threads, backend
        self.prepare()
        self.reset()

    def prepare(self):
        """Bring the data to where they are used."""

    def reset(self):
        """Start (again) from `self.net.start()`."""
        raise NotImplementedError

    def epoch(self, order):
        """Train on the examples in `order` (None: all, as they stand)."""
        raise NotImplementedError

    def turn(self, orders):
        """Seconds that training takes, an epoch for each order."""
        started = time.perf_counter()
        for order in orders:
            self.epoch(order)
        return time.perf_counter() - started

    def weights(self):
        """``[(W (n_out, n_in), b), …]`` in NumPy."""
        raise NotImplementedError

    def resident(self, rows):
        """Rows, as `predict` takes them."""
        return rows

    def host(self, array):
        """What `predict` returned, in NumPy."""
        return np.asarray(array)

    def predict(self, rows):
        """The last layer's activations; finished when it returns."""
        raise NotImplementedError
