"""Data that are read block by block, however small they are, and the order in which their rows are used."""

import numpy as np

from gpunet.inputs.blocks.order import TwoLevelOrder
from small_networks import K, N

ROWS = 60


def small_blocks(monkeypatch, rows, held, n):
    """From here on files are read in blocks of so many rows of n numbers, so many at a time."""
    monkeypatch.setattr("gpunet.inputs.blocks.opened.IN_MEMORY", 0)
    monkeypatch.setattr("gpunet.inputs.blocks.blocks.NUMBERS", rows * n)
    monkeypatch.setattr("gpunet.training.windows.HELD", held)
    monkeypatch.setattr("gpunet.devices.reused_memory.LARGE", 1)  # windows are small, too


def used_order(m, rows, held, seed, epoch, sequential=False):
    """The numbers of m rows in the order in which an epoch uses them."""
    edges = np.append(np.arange(0, m, rows), m)
    order = TwoLevelOrder(edges, held, seed, sequential)
    blocks, found = order.blocks(epoch), []
    for group in range(-(-len(blocks) // held)):
        numbers = blocks[group * held : (group + 1) * held]
        some = np.concatenate([np.arange(*edges[b : b + 2]) for b in numbers])
        found.append(some[order.rows(epoch, group, len(some))])
    return np.concatenate(found)


def mapped(folder, name, array):
    """The array as a memory-mapped file."""
    path = folder / f"{name}.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def few_rows(rng):
    X = rng.normal(size=(ROWS, N)).astype("float32")
    return X, rng.integers(0, K, ROWS)


def in_memory(net, X, y, orders, weights=None, **options):
    """One epoch in each of these orders; the losses."""
    losses = []
    for order in orders:
        more = {} if weights is None else {"sample_weight": weights[order]}
        losses += net.fit(X[order], y[order], epochs=1, shuffle=False, **more, **options).loss
    return losses


def change(X, y, rng):
    return X + 0.1 * rng.normal(size=X.shape).astype("float32"), y[:, ::-1]
