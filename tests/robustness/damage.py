"""Files that were cut short, changed, or crafted: refused with gpunet's own error, or read as the same network."""

import json
import os
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np

import gpunet as gn
from gpunet.files import network_file

COUNT = 12_000
MOST_BYTES = 64 * 2**20


def saved_files(folder):
    """A network's file and a checkpoint, with all that they can hold."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), rng.choice(["cat", "dog", "cow"], 40)
    net = gn.Network(
        [gn.Dense(4, "relu"), gn.Dense(3, "softmax")], seed=1, backend="numpy", standardizer=gn.Standardizer()
    )
    net.fit(X, y, epochs=2, optimizer=gn.Adam(0.01), checkpoint=gn.Checkpoint(folder / "run", every="epoch"))
    net.notes = {"made": "for a test"}
    net.save(folder / "net")
    return [(folder / "net").read_bytes(), sorted((folder / "run").glob("*.safetensors"))[-1].read_bytes()]


def damaged(data, rng):
    """The bytes with some damage."""
    kind = rng.integers(5)
    if kind == 0:
        return data[: rng.integers(len(data))]
    if kind == 1:
        at = int(rng.integers(len(data)))
        return data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]
    if kind == 2:
        start, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
        return data[:start] + rng.bytes(length) + data[start + length :]
    if kind == 3:
        start, end = sorted(int(one) for one in rng.integers(len(data), size=2))
        return data[:start] + data[end:]
    return crafted(data, rng)


def crafted(data, rng):
    """A file whose digest is right, with another value somewhere in its description."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    description = json.loads(header["__metadata__"]["network"])
    odd = [None, -1, 0, 1e400, float("nan"), "x", [], {}, [[[]]], True, 10**30, {"array": "absent"}]
    places = list(paths(description))
    where = places[rng.integers(len(places))]
    inside = description
    for key in where[:-1]:
        inside = inside[key]
    if rng.integers(4) == 0 and isinstance(inside, dict):
        del inside[where[-1]]
    else:
        inside[where[-1]] = odd[rng.integers(len(odd))]
    text = json.dumps(description, sort_keys=True)
    from safetensors.numpy import load

    header["__metadata__"]["network"] = text
    header["__metadata__"]["sha256"] = network_file._digest(text, load(data))
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    return len(written).to_bytes(8, "little") + written + data[8 + length :]


def paths(value, here=()):
    """The places of a nested value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield (*here, key)
        yield from paths(one, (*here, key))


def attempts(count, seed):
    """See README.md."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = saved_files(folder)
        expected = gn.load(folder / "net", "numpy").parameters
        path = folder / "damaged"
        tracemalloc.start()
        for attempt in range(count):
            data = damaged(files[attempt % 2], rng)
            path.write_bytes(data)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                net = gn.load(path, "numpy")
            except gn.FileRefused:
                outcome = None
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
                os.replace(path, folder / f"kept-{attempt}")
            else:
                shapes = [W.shape for W, _ in net.parameters] == [W.shape for W, _ in expected]
                outcome = None if shapes else "another network was loaded"
            used = tracemalloc.get_traced_memory()[1] - before
            yield outcome or (None if used < MOST_BYTES else f"{used:,} bytes of memory")
