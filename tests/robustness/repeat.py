"""The same seed gives the same weights, in any process; on another number of threads to rounding."""

import os
import subprocess
import sys

import numpy as np

COUNT = 20
SCRIPT = """
import sys
import numpy as np
import gpunet as gn

rng = np.random.default_rng(0)
X, y = rng.standard_normal((2000, 64)).astype("float32"), rng.integers(0, 4, 2000)
for batch_size in (1, 32, 500, None):
    net = gn.Network([gn.Dense(96, "relu"), gn.Dropout(0.1), gn.Dense(4, "softmax")], seed=3, backend="numpy")
    net.fit(X, y, optimizer=gn.Adam(0.001), epochs=4, batch_size=batch_size)
    sys.stdout.buffer.write(np.concatenate([p.ravel() for pair in net.parameters for p in pair]).tobytes())
"""


def attempts(count, seed):
    """See README.md."""
    by_threads = {}
    for attempt in range(count):
        threads = str(1 + attempt % 5)
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "GPUNET_COMPILE": "wait"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, timeout=600
        )
        if done.returncode != 0:
            yield f"{threads} threads: exit code {done.returncode}: {done.stderr.decode()[-500:]}"
            continue
        weights = np.frombuffer(done.stdout, dtype="float32")
        first = by_threads.setdefault(threads, weights)
        if not np.array_equal(weights, first):
            yield f"{threads} threads: up to {np.abs(weights - first).max()} apart from run to run"
            continue
        apart = float(np.abs(weights - next(iter(by_threads.values()))).max())
        yield None if apart < 1e-3 else f"{threads} threads: {apart} apart from 1 thread"
