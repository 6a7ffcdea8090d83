"""kill -9 while a network is saved over an older one, again and again."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import gpunet as gn

COUNT = 200
SCRIPT = """
import sys
import gpunet as gn

nets = [gn.load(path, "numpy") for path in sys.argv[2:]]
print("ready", flush=True)
while True:
    for net in nets:
        net.save(sys.argv[1])
"""


def attempts(count, seed):
    """See README.md."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, sources = folder / "saved" / "net", [folder / "0", folder / "1"]
        path.parent.mkdir()
        versions = []
        for k, source in enumerate(sources):
            net = gn.Network(
                [gn.Dense(400, "relu"), gn.Dense(10, "softmax")], inputs=784, seed=k, backend="numpy"
            )
            net.save(source)
            versions.append(net.parameters[0][0])
        gn.load(sources[0], "numpy").save(path)
        for _ in range(count):
            child = subprocess.Popen([sys.executable, "-c", SCRIPT, path, *sources], stdout=subprocess.PIPE)
            child.stdout.readline()
            time.sleep(float(rng.exponential(0.03)))
            child.kill()
            child.wait()
            child.stdout.close()
            try:
                W = gn.load(path, "numpy").parameters[0][0]
            except (OSError, ValueError) as error:
                yield str(error)
                continue
            yield None if any(np.array_equal(W, version) for version in versions) else "neither old nor new"
        gn.load(sources[0], "numpy").save(path)
        left = [one.name for one in path.parent.iterdir() if one != path]
        yield None if not left else f"{len(left)} temporary files are left"
