"""Files that were cut short, changed, or crafted: refused with gpunet's own error, or read as the same network."""

import json
import tempfile
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
from safetensors.numpy import load as decode
from safetensors.numpy import save as encode

import gpunet as gn
from gpunet.files.tensor_file import sha256

COUNT = 12_000
MOST_BYTES = 64 * 2**20


TABLE = {
    "size": [1.0, 2.5, None, 4.0, 9.5, 3.0, 7.25, 0.5],
    "color": ["red", "blue", "red", "green", "blue", "red", "green", "blue"],
    "word": list("abcdefgh"),
    "open": [True, False, True, True, False, False, True, False],
    "day": [f"2024-0{1 + k}-1{k} 0{k}:30:00" for k in range(8)],
    "kind": ["cat", "dog", "cow", "cat", "dog", "cow", "cat", "dog"],
}


def saved_files(folder):
    """A network's file, a checkpoint, and a network of a table's, with all that they can hold."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), rng.choice(["cat", "dog", "cow"], 40)
    net = gn.Network(
        [gn.Dense(4, "relu"), gn.Dense(3, "softmax")], seed=1, backend="numpy", standardizer=gn.Standardizer()
    )
    net.fit(X, y, epochs=2, optimizer=gn.Adam(0.01), checkpoint=gn.Checkpoint(folder / "run", every="epoch"))
    net.notes = {"made": "for a test"}
    net.save(folder / "net")
    table = gn.datasets.read_table(TABLE, target="kind")
    encoder = gn.TableEncoder(one_hot_limit=4, kinds={"word": "category"})
    tabular = gn.Network([gn.Dense(4), gn.Dense(3, "softmax")], seed=1, backend="numpy", encoder=encoder)
    tabular.fit(table, epochs=2)
    tabular.save(folder / "tabular")
    checkpoint = sorted((folder / "run").glob("*.safetensors"))[-1]
    return [one.read_bytes() for one in (folder / "net", checkpoint, folder / "tabular")]


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
    """A file whose digest is right, with another value somewhere in its description, or in its arrays."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    arrays, text = decode(data), metadata["network"]
    if rng.integers(2):
        name = sorted(arrays)[rng.integers(len(arrays))]
        arrays[name] = odd_array(arrays[name], rng)
        if arrays[name] is None:
            del arrays[name]
    else:
        text = odd_description(text, rng)
    return encode(arrays, {**metadata, "network": text, "sha256": sha256(text, arrays)})


def odd_array(array, rng):
    """Another array in its place; None for none."""
    kind = rng.integers(8)
    if kind < 3 and array.size:
        odd = array.copy().reshape(-1)
        odd[rng.integers(len(odd))] = (
            (np.nan, np.inf, 0)[kind] if odd.dtype.kind == "f" else (-1, 10**6, 0)[kind]
        )
        return odd.reshape(array.shape)
    if kind == 3:
        return array[:-1] if array.ndim else array.reshape(1)
    if kind == 4:
        return np.concatenate([array, array]) if array.ndim else np.stack([array, array])
    if kind == 5:
        return array.reshape(-1, 1, 1)
    if kind == 6:
        return array.astype((np.float16, np.int8, np.float64, np.uint64, np.bool_)[rng.integers(5)])
    return None


def odd_description(text, rng):
    """The JSON of a network with another value, or without one."""
    description = json.loads(text)
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
    return json.dumps(description, sort_keys=True)


def paths(value, here=()):
    """The places of a nested value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield (*here, key)
        yield from paths(one, (*here, key))


def use(net, expected):
    """Whether a network that was loaded is of use: None, or what is wrong."""
    if [W.shape for W, _ in net.parameters] != expected:
        return "another network was loaded"
    rows = (
        {name: cells for name, cells in TABLE.items() if name != "kind"} if net.encoder else np.ones((2, 3))
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predicted = net.predict(rows)
    except ValueError:
        return None  # gpunet's own, which says what does not fit
    return None if np.isfinite(predicted).all() else "it predicts numbers that are not finite"


def attempts(count, seed):
    """See README.md."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = saved_files(folder)
        path = folder / "damaged"
        expected = []
        for data in files:
            path.write_bytes(data)
            expected.append([W.shape for W, _ in gn.load(path, "numpy").parameters])
        tracemalloc.start()
        for attempt in range(count):
            which = attempt % len(files)
            path.write_bytes(damaged(files[which], rng))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                outcome = use(gn.load(path, "numpy"), expected[which])
            except gn.FileRefused:
                outcome = None
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
            used = tracemalloc.get_traced_memory()[1] - before
            yield outcome or (None if used < MOST_BYTES else f"{used:,} bytes of memory")
