"""A process that measures one implementation: ``python -m benchmarks.worker NAME FILE_DESCRIPTOR``.

It calls the methods of :class:`Worker` that its parent names. Between two messages it sleeps, so that the thread pools
of two implementations never compete.
"""

from __future__ import annotations

import gc
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np

from benchmarks import datasets, peers
from benchmarks.errors import Unsupported

# The first, untimed sample: so many steps and so many examples at most
WARM_UP_STEPS, WARM_UP_EXAMPLES = 256, 8192


class Worker:
    def __init__(self, name, settings):
        self.settings = settings
        self.Implementation = peers.load(name)
        self.loaded = None

    def build(self, case):
        """Make the implementation for a case, with its data in place."""
        self.implementation = None  # its memory is freed before the next one takes any
        gc.collect()
        wanted = (case.architecture.dataset, case.examples)
        if wanted != self.loaded:
            self.data, self.loaded = datasets.read(self.settings.folder, *wanted), wanted
        self.case, self.epochs_done = case, 0
        self.implementation = self.Implementation(case, self.data, self.settings)

    # --- training -------------------------------------------------------------------------------

    def prepare_training(self, case):
        """Build, warm up and choose the length of a sample; the name of the program that runs.

        A sample is the first `examples` of each order, for `epochs` epochs: a part of one epoch where an epoch takes
        longer than a sample needs to, several whole epochs where it is shorter.
        """
        self.build(case)
        shortest = self.settings.sample_seconds
        divisible = case.batch is not None and not self.implementation.whole_epochs
        self.examples, self.epochs = case.examples, 1
        if divisible:
            steps = max(1, min(WARM_UP_STEPS, WARM_UP_EXAMPLES // case.batch_size))
            self.examples = min(case.examples, steps * case.batch_size)
        if case.epochs is not None:
            self.epochs = case.epochs
        self.time_training()
        for _ in range(4 if case.epochs is None else 0):
            seconds = self.time_training()["seconds"]
            if seconds >= 0.8 * shortest and self.epochs == 1:
                break
            wanted = 1.1 * shortest * self.examples * self.epochs / max(seconds, 1e-6)
            before = self.examples
            if divisible:
                steps = -(-int(wanted) // case.batch_size)
                self.examples = min(steps * case.batch_size, case.examples)
            self.epochs = max(1, -(-int(wanted) // self.examples))
            if self.examples == before:
                break
            self.time_training()  # JAX compiles again for another number of examples
        return self.implementation.program

    def time_training(self):
        """One sample."""
        orders = [self.case.order(self.epochs_done + i) for i in range(self.epochs)]
        orders = [None if order is None else order[: self.examples] for order in orders]
        self.epochs_done += self.epochs
        seconds = self.implementation.time_epochs(orders)
        return {"seconds": seconds, "examples": self.examples * self.epochs}

    def trained_parameters(self, case, epochs):
        """The parameters after so many epochs, and the name of the program that ran."""
        self.build(case)
        self.implementation.time_epochs([case.order(i) for i in range(epochs)])
        parameters = [(np.array(W), np.array(b)) for W, b in self.implementation.get_parameters()]
        return parameters, self.implementation.program

    def train_to_accuracy(self, case, goal, max_epochs):
        """Train until `goal` of the test set is predicted right, or for `max_epochs`.

        The first epoch runs twice: the first time compiles, and its excess is reported apart as ``compiling``.
        """
        self.build(case)
        implementation = self.implementation
        rows, y = implementation.to_device(self.data.X_test), self.data.Y_test.argmax(1)
        with_compilation = implementation.time_epochs([case.order(0)])
        implementation.predict(rows)
        implementation.reset()
        seconds, accuracy = [], 0.0
        while accuracy < goal and len(seconds) < max_epochs:
            seconds.append(implementation.time_epochs([case.order(len(seconds))]))
            outputs = implementation.to_host(implementation.predict(rows))
            accuracy = float(np.mean(outputs.argmax(1) == y))
        return {
            "seconds": sum(seconds),
            "compiling": max(with_compilation - seconds[0], 0.0),
            "epochs": len(seconds),
            "accuracy": accuracy,
            "reached": accuracy >= goal,
            "program": implementation.program,
        }

    # --- inference ------------------------------------------------------------------------------

    def prepare_inference(self, case):
        """Build, warm up and choose the number of calls per sample; the outputs for the first batch."""
        self.build(case)
        X, size, implementation = self.data.X_test, case.batch_size, self.implementation
        starts = range(0, min(len(X), 1000 * size), size)
        self.batches = [np.ascontiguousarray(X[i : i + size]) for i in starts]
        if case.from_host:
            self.predict = implementation.predict_from_host
            outputs = self.predict(self.batches[0])
        else:
            self.predict = implementation.predict
            self.batches = [implementation.to_device(rows) for rows in self.batches]
            outputs = implementation.to_host(self.predict(self.batches[0]))
        self.calls, seconds = 1, 0.0
        while seconds < 0.5 * self.settings.sample_seconds:
            seconds = self.time_inference()["seconds"]
            calls_per_second = self.calls / max(seconds, 1e-6)
            self.calls = max(int(calls_per_second * self.settings.sample_seconds) + 1, self.calls)
        return outputs

    def time_inference(self):
        """One sample: so many calls of `predict`, batch after batch."""
        batches, predict = self.batches, self.predict
        started = time.perf_counter()
        for i in range(self.calls):
            predict(batches[i % len(batches)])
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "examples": self.calls * self.case.batch_size}


def answer(worker, method, arguments):
    """What :class:`benchmarks.worker_process.WorkerProcess` expects; errors are reported, not raised."""
    try:
        return "answer", getattr(worker, method)(*arguments)
    except Unsupported as reason:
        return "unsupported", str(reason)
    except Exception as error:
        traceback.print_exc()
        text = " ".join(str(error).split())[:300]
        return "error", f"{type(error).__name__}: {text}"


def serve(kind):
    """Answer what the parent asks of a worker, ``kind(name, settings)``, until it has ended."""
    name, descriptor = sys.argv[1:]
    with Connection(int(descriptor)) as connection:
        try:
            worker = kind(name, connection.recv())
        except Exception as error:
            traceback.print_exc()
            connection.send(("error", f"{type(error).__name__}: {error}"))
            return
        connection.send(("answer", None))
        with suppress(EOFError):  # the parent has ended
            while (message := connection.recv()) is not None:
                connection.send(answer(worker, *message))


if __name__ == "__main__":
    serve(Worker)
