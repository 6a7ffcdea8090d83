"""Fits and predictions, one after another: memory stays level."""

import gc

import numpy as np

import gpunet as gn

COUNT = 2000
MOST = 32 * 2**20  # bytes of growth after the first tenth


def resident():
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def attempts(count, seed):
    """See README.md."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((500, 60)).astype("float32"), rng.integers(0, 3, 500)
    settled = None
    for attempt in range(count):
        net = gn.Network([gn.Dense(70, "relu"), gn.Dense(3, "softmax")], seed=attempt, backend="numpy")
        net.fit(X, y, epochs=2, batch_size=[1, 32, None][attempt % 3], validation_fraction=0.1)
        net.predict(X)
        if attempt == count // 10:
            gc.collect()
            settled = resident()
        growth = 0 if settled is None else resident() - settled
        yield None if growth < MOST else f"{growth:,} bytes more than after {count // 10} attempts"
