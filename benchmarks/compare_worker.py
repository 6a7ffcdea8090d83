"""The process of one checkout, see :mod:`benchmarks.compare`: ``python -P compare_worker.py FILE_DESCRIPTOR``.

It imports nothing of this package, since the checkout's own ``benchmarks`` would be found, and uses only gpunet's
public interface, which old checkouts have too.
"""

import statistics
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

import gpunet as gn

CHECKED_ROWS = 100
LEARNING_RATE = 0.003  # at 0.1 all ReLU units of dense-relu-1 die


class Worker:
    def source(self):
        """Where gpunet was imported from."""
        return str(Path(gn.__file__).resolve())

    def prepare(self, cell):
        """Make data and network, and time the first call, which compiles; outputs for the first rows as a list."""
        self.cell = cell
        rng = np.random.default_rng(0)
        n_in, *units = cell["sizes"]
        shape = (cell["examples"], n_in)
        self.X = rng.random(shape, np.float32)
        self.X *= rng.random(shape, np.float32) >= cell["zeros"]
        self.y = rng.integers(units[-1], size=cell["examples"])
        layers = [gn.Dense(n, g) for n, g in zip(units, cell["activations"], strict=True)]
        self.network = gn.Network(layers, inputs=n_in, seed=0, backend="numpy")
        self.optimizer = {
            "plain": gn.GradientDescent(LEARNING_RATE),
            "momentum": gn.GradientDescent(LEARNING_RATE, momentum=0.9),
            "adam": gn.Adam(1e-3),
        }[cell["optimizer"]]
        self.rows = self.X[: cell["predict_rows"]]
        started = time.perf_counter()
        self.predict(1) if cell["predict_rows"] else self.fit(1)
        seconds = time.perf_counter() - started
        outputs = self.network.predict(self.X[:CHECKED_ROWS])
        return {"seconds": seconds, "outputs": np.asarray(outputs, np.float64).ravel().tolist()}

    def sample(self, repeats):
        """Seconds per epoch (median over `repeats` epochs of one fit), or per prediction (mean over `repeats`)."""
        if self.cell["predict_rows"]:
            started = time.perf_counter()
            program = self.predict(repeats)
            return {"seconds": (time.perf_counter() - started) / repeats, "program": program}
        history = self.fit(repeats)
        return {"seconds": statistics.median(history.seconds), "program": history.program}

    def fit(self, epochs):
        return self.network.fit(
            self.X, self.y, optimizer=self.optimizer, epochs=epochs, batch_size=self.cell["batch_size"]
        )

    def predict(self, calls):
        for _ in range(calls):
            self.network.predict(self.rows)
        return "predict"


def main():
    worker = Worker()
    with Connection(int(sys.argv[1])) as connection, suppress(EOFError):
        while (message := connection.recv()) is not None:
            method, *arguments = message
            try:
                answer = ("answer", getattr(worker, method)(*arguments))
            except Exception as error:
                traceback.print_exc()
                answer = ("error", f"{type(error).__name__}: {error}")
            connection.send(answer)


if __name__ == "__main__":
    main()
