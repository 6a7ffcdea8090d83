"""The cells of :mod:`benchmarks.compare`, by name.

A cell is a plain dict, because the worker that receives it imports nothing of this package. ``batch_size`` None is a
full batch; cells with ``predict_rows`` time predictions of so many rows, all others training.
"""

from __future__ import annotations

ARCHITECTURES = {
    "sigmoid": {"sizes": [784, 256, 10], "activations": ["sigmoid", "softmax"]},
    "relu": {"sizes": [784, 512, 256, 10], "activations": ["relu", "relu", "softmax"]},
}
TINY = {"sizes": [10, 8, 2], "activations": ["sigmoid", "softmax"]}
DATA = {"sparse": 0.8, "dense": 0.0}  # fraction of zeros; sparse is like MNIST
BATCH_SIZES = (1, 8, 32, 128, 1000, None)
EXAMPLES = 20_000
# Epochs of the tiny network must be long enough that gpunet does not start them in plain NumPy.
TINY_EXAMPLES = 60_000


def training(architecture, zeros, batch_size, optimizer="plain", examples=EXAMPLES):
    return {
        **architecture,
        "examples": examples,
        "zeros": zeros,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "predict_rows": None,
    }


def all_cells():
    cells = {}
    for data, zeros in DATA.items():
        for name, architecture in ARCHITECTURES.items():
            for batch_size in BATCH_SIZES:
                cells[f"{data}-{name}-{batch_size or 'full'}"] = training(architecture, zeros, batch_size)
    for name, architecture in ARCHITECTURES.items():
        for optimizer in ("momentum", "adam"):
            for batch_size in (32, 128):
                cell = training(architecture, DATA["sparse"], batch_size, optimizer)
                cells[f"sparse-{name}-{batch_size}-{optimizer}"] = cell
    for batch_size in (1, 32):
        cells[f"tiny-{batch_size}"] = training(TINY, DATA["dense"], batch_size, examples=TINY_EXAMPLES)
    for data, zeros in DATA.items():
        for name, architecture in ARCHITECTURES.items():
            for rows in (1, 100, 10_000):
                cell = training(architecture, zeros, None, examples=10_000)
                cells[f"predict-{data}-{name}-{rows}"] = {**cell, "predict_rows": rows}
    return cells


CELLS = all_cells()
