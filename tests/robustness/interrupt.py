"""Ctrl-C at a random moment of fit, predict, save and load."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

COUNT = 500
SCRIPT = """
import signal, sys, time
import numpy as np
import gpunet as gn

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
work, path = sys.argv[1], sys.argv[2] + "/net"
rng = np.random.default_rng(0)
X, y = rng.standard_normal((3000, 80)).astype("float32"), rng.integers(0, 4, 3000)
rule = gn.GradientDescent(0.01)

def network():
    return gn.Network([gn.Dense(300, "relu"), gn.Dense(4, "softmax")], inputs=80, seed=3, backend="numpy")

def weights(net):
    return np.concatenate([p.ravel() for pair in net.parameters for p in pair])

net = network()
net.fit(X, y, optimizer=rule, batch_size=20, epochs=1)
saved = weights(net)
net.predict(X)
net.save(path)
net = network()
print("ready", flush=True)
try:
    while True:
        if work == "fit":
            net.fit(X, y, optimizer=rule, batch_size=20, epochs=1)
        elif work == "predict":
            net.predict(X)
        elif work == "save":
            gn.load(path, "numpy").save(path)
        else:
            gn.load(path, "numpy")
except KeyboardInterrupt:
    print("interrupted", time.time(), flush=True)
    again = network()
    if net.epochs_trained:
        again.fit(X, y, optimizer=rule, batch_size=20, epochs=net.epochs_trained)
    assert np.isfinite(weights(net)).all()
    assert np.array_equal(weights(net), weights(again)), "not the weights of an update"
    assert np.array_equal(net.predict(X), again.predict(X))
    assert np.array_equal(weights(gn.load(path, "numpy")), saved)
    print("done", flush=True)
"""
WORKS = ("fit", "predict", "save", "load")


def attempts(count, seed):
    """See README.md."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        for attempt in range(count):
            yield attempt_of(WORKS[attempt % 4], float(rng.exponential(0.1)), folder)


def attempt_of(work, wait, folder):
    """Interrupt a child that does `work`, after `wait` seconds of it; what went wrong."""
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, work, folder],
        env={**os.environ, "GPUNET_COMPILE": "wait"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = child.stdout.readline()
        if line != "ready\n":
            return f"{work}: {line} {child.stderr.read()[-500:]}"
        time.sleep(wait)
        started = time.time()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        return f"{work} after {wait:.3f} s: hangs"
    finally:
        child.kill()
        child.wait()
    if not out.endswith("done\n"):
        return f"{work} after {wait:.3f} s: exit code {child.returncode}: {err[-500:]}"
    took = float(out.split()[1]) - started
    return None if took < 5 else f"{work} after {wait:.3f} s: took {took:.1f} s"
