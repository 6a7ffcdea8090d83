"""A process with one contender in it, which answers questions over a connection.

Each contender has a process of its own: thread pools that spin never meet. All but the one whose turn it is
wait for a message.
"""

from __future__ import annotations

import gc
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np

from benchmarks import data, peers
from benchmarks.peers.base import NotCovered

WARM_STEPS, WARM_EXAMPLES = 256, 8192  # at most, in the first, untimed part of an epoch


class Worker:
    def __init__(self, name, settings):
        self.settings = settings
        self.Contender = peers.load(name)
        self.wanted = None

    def make(self, case):
        self.peer = None  # the old one's memory goes first
        gc.collect()
        settings, wanted = self.settings, (case.network.data, case.examples)
        if wanted != self.wanted:
            self.wanted, self.data = wanted, data.read(settings.folder, *wanted)
        self.case, self.epochs = case, 0
        self.peer = self.Contender(case, self.data, settings.device, settings.threads, settings.backend)

    # --- training -------------------------------------------------------------------------------

    def train(self, case):
        """Make the contender, warm it up, and find how much a turn is."""
        self.make(case)
        lasting = self.settings.seconds * case.lasts
        self.used, self.count = case.examples, 1
        if not self.peer.whole_epochs and case.batch:
            steps = max(1, min(WARM_STEPS, WARM_EXAMPLES // case.size))
            self.used = min(case.examples, steps * case.size)
        self.turn()
        for _ in range(4):
            seconds = self.turn()["seconds"]
            if seconds >= 0.8 * lasting and self.count == 1:
                break
            wanted = 1.1 * lasting * self.used * self.count / max(seconds, 1e-6)
            before = self.used
            if not self.peer.whole_epochs and case.batch:
                self.used = min(-(-int(wanted) // case.size) * case.size, case.examples)
            self.count = max(1, -(-int(wanted) // self.used))
            if self.used == before:
                break
            self.turn()  # compiles, where another length is another program
        return self.peer.program

    def turn(self):
        """Train a little; whole epochs where they are short."""
        orders = [self.case.order(self.epochs + i) for i in range(self.count)]
        orders = [None if order is None else order[: self.used] for order in orders]
        self.epochs += self.count
        seconds = self.peer.turn(orders)
        return {"seconds": seconds, "examples": self.used * self.count}

    def learn(self, case, epochs):
        """The weights after some epochs."""
        self.make(case)
        self.peer.turn([case.order(i) for i in range(epochs)])
        return [(np.array(W), np.array(b)) for W, b in self.peer.weights()], self.peer.program

    def until(self, case, goal, most):
        """Train to an accuracy on the test set; the first epoch, which compiles, is run twice and timed once."""
        self.make(case)
        rows, right = self.peer.resident(self.peer.data.X_test), self.peer.data.Y_test.argmax(1)
        cold = self.peer.turn([case.order(0)])
        self.peer.predict(rows)
        self.peer.reset()
        seconds, accuracy, epoch = 0.0, 0.0, 0
        while accuracy < goal and epoch < most:
            first = seconds
            seconds += self.peer.turn([case.order(epoch)])
            epoch += 1
            accuracy = float(np.mean(self.peer.host(self.peer.predict(rows)).argmax(1) == right))
            if epoch == 1:
                cold -= seconds - first
        return {
            "seconds": seconds,
            "compiling": max(cold, 0.0),
            "epochs": epoch,
            "accuracy": accuracy,
            "reached": accuracy >= goal,
            "program": self.peer.program,
        }

    # --- inference ------------------------------------------------------------------------------

    def infer(self, case):
        """Make the contender and find how many calls a turn is; the outputs for the first rows."""
        self.make(case)
        X = self.peer.data.X_test
        pieces = [X[i : i + case.size] for i in range(0, min(len(X), 1000 * case.size), case.size)]
        self.pieces = [self.peer.resident(np.ascontiguousarray(piece)) for piece in pieces]
        outputs = self.peer.host(self.peer.predict(self.pieces[0]))
        self.count, seconds = 1, 0.0
        while seconds < 0.5 * self.settings.seconds:
            seconds = self.call()["seconds"]
            rate = self.count / max(seconds, 1e-6)
            self.count = max(int(rate * self.settings.seconds) + 1, self.count)
        return outputs

    def call(self):
        """Predict, batch by batch."""
        pieces, predict = self.pieces, self.peer.predict
        started = time.perf_counter()
        for i in range(self.count):
            predict(pieces[i % len(pieces)])
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "examples": self.count * self.case.size}


def answer(worker, question, arguments):
    """``(kind, answer)``; whatever goes wrong is said, not raised."""
    try:
        return "answer", getattr(worker, question)(*arguments)
    except NotCovered as reason:
        return "left out", str(reason)
    except Exception as error:
        traceback.print_exc()
        text = " ".join(str(error).split())[:300]
        return "error", f"{type(error).__name__}: {text}"


def main():
    number, name = sys.argv[1:]
    with Connection(int(number)) as connection:
        try:
            worker = Worker(name, connection.recv())
        except Exception as error:
            traceback.print_exc()
            connection.send(("error", f"{type(error).__name__}: {error}"))
            return
        connection.send(("answer", None))
        with suppress(EOFError):  # whoever asked is gone
            while (message := connection.recv()) is not None:
                connection.send(answer(worker, *message))


if __name__ == "__main__":
    main()
