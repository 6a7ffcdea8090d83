"""The data, written once to a folder from which every process reads the same arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SETS = ("mnist", "noisy", "needles")
SPLITS = ("X", "Y", "X_test", "Y_test")


class Data(NamedTuple):
    """Rows in float32; targets are one-hot, or one column of 0 and 1."""

    X: Any
    Y: Any
    X_test: Any
    Y_test: Any


def mnist_folder():
    """Where full MNIST lies, or None."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "mnist"
    for place in (os.environ.get("GPUNET_DATA"), beside):
        if place and any(Path(place).glob("**/train-images-idx3-ubyte*")):
            return Path(place)
    return None


def made_up(examples=60_000, tests=10_000):
    """Clusters in the shape of MNIST."""
    rng = np.random.default_rng(0)
    centres = rng.random((10, 784), np.float32)
    parts = []
    for count in (examples, tests):
        y = rng.integers(10, size=count)
        noise = rng.standard_normal((count, 784), np.float32)
        parts += [np.clip(0.5 * centres[y] + 0.3 * noise, 0, 1), np.eye(10, dtype=np.float32)[y]]
    return Data(*parts)


def write(folder):
    """Write all sets; what they are, by name, for the results."""
    import gpunet as gn

    place = mnist_folder()
    if place is None:
        mnist, said = made_up(), "synthetic data in MNIST's shape (GPUNET_DATA names no folder with MNIST)"
    else:
        read = gn.datasets.mnist(place)
        one_hot = np.eye(10, dtype=np.float32)
        mnist = Data(read.X, one_hot[read.y], read.X_test, one_hot[read.y_test])
        said = "MNIST, 60,000 training and 10,000 test images, pixels from 0 to 1"
    drawn = gn.datasets.needles("one", examples=60_000, test_examples=10_000)
    columns = [y.astype(np.float32)[:, None] for y in (drawn.y, drawn.y_test)]
    needles = Data(drawn.X, columns[0], drawn.X_test, columns[1])
    for name, data in (("mnist", mnist), ("noisy", noisy(mnist)), ("needles", needles)):
        save(folder, name, data)
    zeros = np.mean(mnist.X == 0)
    return {
        "mnist": f"{said}; {zeros:.0%} of them are 0",
        "noisy": "the same with noise from 0 to 0.1 on every pixel: none is 0, and no two are alike",
        "needles": "gpunet.datasets.needles('one'), 60,000 pictures of 16 × 16",
    }


def noisy(data):
    """The same rows with no zeros and no values in common."""
    rng = np.random.default_rng(0)
    X, X_test = (rows + 0.1 * rng.random(rows.shape, np.float32) for rows in (data.X, data.X_test))
    return data._replace(X=X, X_test=X_test)


def save(folder, name, data):
    for split, array in zip(SPLITS, data, strict=True):
        np.save(Path(folder) / f"{name}-{split}.npy", array)


def read(folder, name, examples):
    """The first `examples` training rows (repeated if there are fewer) and all test rows."""
    X, Y, X_test, Y_test = (np.load(Path(folder) / f"{name}-{split}.npy", mmap_mode="r") for split in SPLITS)
    times = -(-examples // len(X))
    X, Y = (
        np.concatenate([np.asarray(part)] * times)[:examples] if times > 1 else np.array(part[:examples])
        for part in (X, Y)
    )
    return Data(X, Y, np.array(X_test), np.array(Y_test))
