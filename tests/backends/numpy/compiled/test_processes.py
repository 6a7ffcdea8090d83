"""Compiled programs among threads, forks and other processors."""

import copy
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gpunet as gn

pytestmark = pytest.mark.slow

PATHS = {
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)
}  # the sources that this process tests


def test_threads_share_a_network():
    """A server's threads predict while another trains: everybody gets what they would get alone."""
    rng = np.random.default_rng(0)
    X, y = rng.random((400, 300), dtype="float32"), np.arange(400) % 5
    made = [
        gn.Network([gn.Dense(200, "relu"), gn.Dense(5, "softmax")], inputs=300, seed=i, backend="numpy")
        for i in range(3)
    ]
    alone = [[net.predict(X[i : i + k]) for i in range(8) for k in (1, 100)] for net in made]
    trained = copy.deepcopy(made[0])  # has its own place in memory
    assert np.array_equal(trained.predict(X[:1]), alone[0][0])
    trained.fit(X, y, optimizer=gn.GradientDescent(0.1), batch_size=1, epochs=20)
    other = copy.deepcopy(made[0])
    with ThreadPoolExecutor(7) as pool:
        fitted = pool.submit(other.fit, X, y, optimizer=gn.GradientDescent(0.1), batch_size=1, epochs=20)
        found = [
            (n, pool.submit(lambda net: [net.predict(X[i : i + k]) for i in range(8) for k in (1, 100)], net))
            for n, net in enumerate(made * 5)
        ]
        for n, future in found:
            for a, b in zip(future.result(), alone[n % 3], strict=True):
                assert np.array_equal(a, b)
        fitted.result()
    for (W, b), (V, c) in zip(trained.parameters, other.parameters, strict=True):
        assert np.array_equal(W, V) and np.array_equal(b, c)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names of x86-64 processors")
@pytest.mark.parametrize("name", ["haswell", "x86-64"])
def test_older_processors_have_all_instructions(name, tmp_path):
    """What this processor does in one instruction must compile for those that need several."""
    script = """
import numpy as np
import gpunet as gn

rng = np.random.default_rng(0)
X = np.where(rng.random((15000, 200)) < 0.8, 0, rng.random((15000, 200))).astype("float32")
y = rng.integers(0, 3, 15000)
net = gn.Network([gn.Dense(300, "relu"), gn.Dense(3, "softmax")], seed=0, backend="numpy")
assert net.fit(X, y, batch_size=60, epochs=1).program == "compiled mini-batch"
for rows in (X[:1], X):
    assert np.isfinite(net.predict(rows)).all()
"""
    settings = PATHS | {
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": "+sse2",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300, env=os.environ | settings)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_trains_too():
    """The parent's threads are not the child's."""
    script = """
import os, signal, sys, threading, time
import numpy as np
import gpunet as gn
from gpunet_numpy.compiled import threads
from own_kernels import PythonKernel

begun = threading.Event()

def wait(team):
    begun.set()
    time.sleep(0.5)

rng = np.random.default_rng(0)
X, y = rng.random((4000, 300), dtype="float32"), np.arange(4000) % 5
net = gn.Network([gn.Dense(200, "relu"), gn.Dense(5, "softmax")], seed=0, backend="numpy")
assert net.fit(X, y, optimizer=gn.GradientDescent(), batch_size=1, epochs=1).program == "compiled blocked SGD"
running = threading.Thread(target=threads.run, args=(PythonKernel(wait), 1, "float32"))
running.start()
begun.wait()
child = os.fork()  # while the parent runs a kernel
if child == 0:
    signal.alarm(60)
    net.fit(X, y, optimizer=gn.GradientDescent(), batch_size=1, epochs=1)
    net.predict(X)
    os._exit(0)
running.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, env=os.environ | PATHS)
