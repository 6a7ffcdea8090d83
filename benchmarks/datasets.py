"""The data sets, written once to a folder from which every process reads the same arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class DataSet(NamedTuple):
    """Rows in float32; targets are one-hot, or one column of 0 and 1."""

    X: Any
    Y: Any
    X_test: Any
    Y_test: Any


def mnist_folder():
    """The folder with full MNIST, or None."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "mnist"
    for folder in (os.environ.get("GPUNET_DATA"), beside):
        if folder and any(Path(folder).glob("**/train-images-idx3-ubyte*")):
            return Path(folder)
    return None


def synthetic(examples=60_000, test_examples=10_000):
    """Ten clusters with MNIST's number of inputs."""
    rng = np.random.default_rng(0)
    centres = rng.random((10, 784), np.float32)
    arrays = []
    for count in (examples, test_examples):
        y = rng.integers(10, size=count)
        noise = rng.standard_normal((count, 784), np.float32)
        arrays += [np.clip(0.5 * centres[y] + 0.3 * noise, 0, 1), np.eye(10, dtype=np.float32)[y]]
    return DataSet(*arrays)


def with_noise(data):
    """The same rows without zeros and without equal values, so that nothing can be skipped."""
    rng = np.random.default_rng(0)
    X, X_test = (rows + 0.1 * rng.random(rows.shape, np.float32) for rows in (data.X, data.X_test))
    return data._replace(X=X, X_test=X_test)


def table(examples=200, test_examples=200):
    """A small table of two classes."""
    rng = np.random.default_rng(0)
    arrays = []
    for count in (examples, test_examples):
        X = rng.standard_normal((count, 24), np.float32)
        arrays += [X, np.eye(2, dtype=np.float32)[(X.sum(axis=1) > 0).astype(int)]]
    return DataSet(*arrays)


def mnist():
    """MNIST, or data in its shape where there is none; and what it is, for the results."""
    import gpunet as gn

    source = mnist_folder()
    if source is None:
        return (
            synthetic(),
            "synthetic data in MNIST's shape (GPUNET_DATA names no folder with MNIST)",
        )
    images = gn.datasets.mnist(source)
    one_hot = np.eye(10, dtype=np.float32)
    data = DataSet(images.X, one_hot[images.y], images.X_test, one_hot[images.y_test])
    return data, "MNIST, 60,000 training and 10,000 test images, pixels from 0 to 1"


def write_all(folder):
    """Write all data sets; their descriptions, by name, for the results."""
    import gpunet as gn

    images, description = mnist()
    drawn = gn.datasets.needles("one", examples=60_000, test_examples=10_000)
    columns = [y.astype(np.float32)[:, None] for y in (drawn.y, drawn.y_test)]
    needles = DataSet(drawn.X, columns[0], drawn.X_test, columns[1])
    every = {"mnist": images, "noisy": with_noise(images), "needles": needles, "table": table()}
    for name, data in every.items():
        write(folder, name, data)
    zeros = np.mean(images.X == 0)
    return {
        "mnist": f"{description}; {zeros:.0%} of the pixels are 0",
        "noisy": "the same with noise from 0 to 0.1 on every pixel: none is 0, and no two are equal",
        "needles": "gpunet.datasets.needles('one'), 60,000 pictures of 16 × 16",
        "table": "24 columns of normal numbers, two classes by the sign of their sum",
    }


def write(folder, name, data):
    for field, array in zip(DataSet._fields, data, strict=True):
        np.save(Path(folder) / f"{name}-{field}.npy", array)


def read(folder, name, examples):
    """The first `examples` training rows (repeated if there are fewer) and all test rows."""
    X, Y, X_test, Y_test = (
        np.load(Path(folder) / f"{name}-{field}.npy", mmap_mode="r") for field in DataSet._fields
    )
    copies = -(-examples // len(X))
    X, Y = (
        np.concatenate([np.asarray(rows)] * copies)[:examples] if copies > 1 else np.array(rows[:examples])
        for rows in (X, Y)
    )
    return DataSet(X, Y, np.array(X_test), np.array(Y_test))
