"""The interface of all implementations."""

from __future__ import annotations

import time

import numpy as np


class BaseImplementation:
    """One network of one library, with its data converted and on the device.

    Parameters
    ----------
    case : Case
    data : DataSet
    settings : Settings

    Attributes
    ----------
    whole_epochs : bool
        Whether it can only train whole epochs, so that a sample can't be a part of one.
    program : str
        What has run, for implementations that choose among several programs.
    """

    whole_epochs = False
    program = ""

    def __init__(self, case, data, settings):
        self.case, self.data, self.settings = case, data, settings
        self.architecture = case.architecture
        self.prepare()
        self.reset()

    def prepare(self):
        """Convert the data and move them to the device; not timed."""

    def reset(self):
        """Set the case's initial parameters, and the optimizer's state to zero; not timed."""
        raise NotImplementedError

    def train_epoch(self, order):
        """Train on the examples in `order` (None: a full batch), and wait until the device has finished."""
        raise NotImplementedError

    def time_epochs(self, orders):
        """Seconds of training, one epoch per order."""
        started = time.perf_counter()
        for order in orders:
            self.train_epoch(order)
        return time.perf_counter() - started

    def get_parameters(self):
        """``[(W (n_out, n_in), b (n_out, 1)), …]`` as NumPy arrays."""
        raise NotImplementedError

    def to_device(self, rows):
        """Rows as `predict` takes them; not timed."""
        return rows

    def predict(self, rows):
        """The activations of the last layer, after the device has finished."""
        raise NotImplementedError

    def predict_from_host(self, rows):
        """The same from NumPy rows to NumPy rows."""
        return self.to_host(self.predict(self.to_device(rows)))

    def to_host(self, array):
        """What `predict` has returned, as a NumPy array; not timed."""
        return np.asarray(array)
