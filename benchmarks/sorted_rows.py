"""What the order of the rows in a file costs: MNIST sorted by class, read block by block, beside a full shuffle.

Four runs for each seed, alike but for the order in which they use the examples::

    GPUNET_DATA=folder/of/mnist python -m benchmarks.sorted_rows --seeds 10 --output benchmarks/results/sorted-rows.md

"in memory": a new order of all rows in each epoch. "blocks": the sorted file by its path, so that blocks are drawn from
all over and the rows of 32 of them are shuffled. "window": the same blocks by a generator, so that they stay in the
order of the file, as in a loader with a shuffle buffer. "shuffled file": by blocks after `gpunet.datasets.shuffle`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("GPUNET_COMPILE", "wait")  # a run does not depend on when its program has been compiled

import numpy as np

import gpunet as gn

ORDERS = {
    "in memory": "all rows in memory, a new order in each epoch",
    "blocks": "the sorted file, block by block",
    "window": "the same blocks in the order of the file, 32 of them shuffled at a time",
    "shuffled file": "the file after `gpunet shuffle`, block by block",
}
PIECE = 1000  # rows that the generator gives at a time


class Row(NamedTuple):
    """Accuracies of one order on the test set, one for each seed."""

    order: str
    accuracies: list[float]


def sorted_by_class(data: gn.datasets.Dataset) -> gn.datasets.Dataset:
    """The same data; training examples of class 0 first, then those of class 1, and so on."""
    order = np.argsort(data.y, kind="stable")
    return gn.datasets.Dataset(data.X[order], data.y[order], data.X_test, data.y_test, data.name)


def accuracy(data: gn.datasets.Dataset, given: tuple[Any, ...], epochs: int, seed: int) -> float:
    """On the test set, after training on what is given as X and y."""
    classes = int(data.y.max()) + 1
    net = gn.Network([gn.Dense(128, "relu"), gn.Dense(classes, "softmax")], seed=seed, backend="numpy")
    net.fit(*given, epochs=epochs)
    return float(net.evaluate(data.X_test, data.y_test)["accuracy"])


def measured(data: gn.datasets.Dataset, folder: Path, epochs: int, seeds: int) -> list[Row]:
    """All orders on sorted data, whose files are written to a folder."""
    for name in ("X", "y"):
        np.save(folder / f"{name}.npy", getattr(data, name))
        gn.datasets.shuffle(folder / f"{name}.npy", folder / f"shuffled-{name}.npy")

    def pieces() -> Iterator[tuple[Any, Any]]:
        for first in range(0, len(data.X), PIECE):
            yield data.X[first : first + PIECE], data.y[first : first + PIECE]

    given = {
        "in memory": (data.X, data.y),
        "blocks": (folder / "X.npy", folder / "y.npy"),
        "window": (pieces,),
        "shuffled file": (folder / "shuffled-X.npy", folder / "shuffled-y.npy"),
    }
    return [
        Row(order, [accuracy(data, given[order], epochs, seed) for seed in range(seeds)]) for order in ORDERS
    ]


def page(rows: list[Row]) -> str:
    """A table in Markdown: mean, least and greatest accuracy, and the mean beside that in memory."""
    lines = [
        "| order | mean accuracy | lowest and highest | less than in memory |",
        "| --- | --- | --- | --- |",
    ]
    best = float(np.mean(rows[0].accuracies))
    for order, found in rows:
        mean = float(np.mean(found))
        lines.append(
            f"| {ORDERS[order]} | {mean:.1%} | {min(found):.1%} to {max(found):.1%} | "
            f"{round(100 * (best - mean), 1) + 0.0:.1f} points |"  # + 0.0: not "-0.0"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure on MNIST, and print the table; write it to a file too, if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--output", type=Path, help="a Markdown file")
    options = parser.parse_args()
    data = sorted_by_class(gn.datasets.mnist())
    with tempfile.TemporaryDirectory() as folder:
        table = page(measured(data, Path(folder), options.epochs, options.seeds))
    print(table)
    if options.output is not None:
        heading = (
            "# The order of the rows: MNIST sorted by class\n\n"
            f"784-128-10, Adam, {options.epochs} epochs, {options.seeds} seeds; accuracy on the test set. By `python "
            f"-m benchmarks.sorted_rows` with gpunet {gn.__version__} and NumPy {np.__version__}, {date.today()}.\n\n"
        )
        options.output.write_text(f"{heading}{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
