"""How much memory training on a file takes: that of a few blocks, and never that of the file."""

import os
import subprocess
import sys

import numpy as np
import pytest

ROWS, FEATURES = 60_000, 784
MIB = 2**20
COPY = ROWS * FEATURES * 4 / MIB  # of X in float32

PROGRAM = """
import gc, sys, threading, time
import numpy as np
import gpunet as gn

def anonymous():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("RssAnon")).split()[1]) / 1024

def network():
    layers = gn.Dense(64, "relu"), gn.Dense(10, "softmax")
    return gn.Network(layers, seed=0, backend="numpy", inputs=784, standardizer=gn.Standardizer("set"))

X, y = np.load(sys.argv[1], mmap_mode="r"), np.arange(int(sys.argv[2])) % 10
batch_size, epochs, program = eval(sys.argv[3])
# What is imported, loaded and allocated once; after so many epochs that the compiled program has taken over.
network().fit(np.asarray(X[:2000]), y[:2000], epochs=80, batch_size=64, optimizer=gn.GradientDescent(0.1))
gc.collect()
before, most, done = anonymous(), [0.0], threading.Event()

def watch():
    while not done.wait(0.002):
        most[0] = max(most[0], anonymous())

watching = threading.Thread(target=watch)
watching.start()
net = network()
optimizer = gn.GradientDescent(0.1)
history = net.fit(X, y, epochs=epochs, batch_size=batch_size, validation_data=(X, y), optimizer=optimizer)
assert program in history.program, history.program
net.evaluate(X, y)
net.predict(X)
done.set()
watching.join()
print(most[0] - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("run", [(64, 1, "compiled"), (None, 2, "accumulation"), (45_000, 1, "accumulation")])
def test_memory_is_that_of_some_blocks(run, tmp_path):
    """Above the weights, with a standardizer, validation, evaluation and predictions."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype="uint8", shape=(ROWS, FEATURES))
    X[:] = rng.integers(0, 256, X.shape, dtype="uint8")
    X.flush()
    arguments = [sys.executable, "-c", PROGRAM, str(tmp_path / "X.npy"), str(ROWS), repr(run)]
    environment = {**os.environ, "GPUNET_COMPILE": "wait"}
    for _ in range(2):
        found = subprocess.run(arguments, capture_output=True, text=True, timeout=600, env=environment)
        assert found.returncode == 0, found.stderr
        if float(found.stdout) < min(COPY, 170):
            return
    # The first time something may have been compiled, which takes memory too.
    pytest.fail(f"{float(found.stdout):.0f} MiB, twice")
