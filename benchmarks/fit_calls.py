"""Whole calls of ``fit`` of gpunet alone: ``python -m benchmarks.fit_calls {cells,integers} --page PAGE``.

``cells``: examples per second of the median epoch of one call, after a call that compiles, and how much longer a call
of one epoch takes than such an epoch. ``integers``: 240,000 uint8 images beside the same numbers in float32. Each line
is written to the page as soon as it is measured.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

import gpunet as gn
from benchmarks import datasets
from benchmarks.cases import Case
from benchmarks.peers.gpunet import Implementation
from benchmarks.settings import Settings
from gpunet.devices.registry import find_device

SECONDS = 0.3  # of a call with many epochs
CALLS = 20  # of one epoch
CELLS = [
    *((net, batch, "plain") for net in ("shallow", "deep") for batch in (1, 32, 128, 1000, None)),
    *((net, batch, name) for net in ("shallow", "deep") for batch, name in ((1, "momentum"), (128, "adam"))),
    ("shallow", 1000, "momentum"),
]
FAILED = "failed"
HEADERS = {
    "cells": "| network | batch | optimizer | examples/s | call beyond its epoch, ms | program |",
    "integers": "| uint8: batch | standardised | float32, examples/s | uint8, examples/s | same bits | program |",
}
IMAGES = 240_000
BATCHES = (32, 128, 1000, None)


def epochs_for(seconds):
    """Epochs that take `SECONDS`."""
    return max(math.ceil(SECONDS / max(seconds, 1e-6)), 3)


def cells(backend, examples, epochs=epochs_for):
    """The lines of the cells, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        datasets.write(folder, "mnist", datasets.mnist()[0])
        settings = Settings(backend, folder, 1, SECONDS, 1)
        data = datasets.read(folder, "mnist", examples)
    for net, batch, optimizer in CELLS:
        case = Case(net, batch, optimizer, examples=examples)
        cell = f"| {case.architecture.title} | {batch or 'full'} | {optimizer} |"
        yield line_or_error(cell, 3, lambda case=case: cell_figures(case, data, settings, epochs))


def cell_figures(case, data, settings, epochs):
    implementation = Implementation(case, data, settings)
    implementation.fit(1)  # compiles
    history = implementation.fit(epochs(implementation.fit(1).seconds[0]))
    epoch = statistics.median(history.seconds)
    beyond = []
    for _ in range(CALLS):
        started = time.perf_counter()
        implementation.fit(1)
        beyond.append(time.perf_counter() - started - epoch)
    return [f"{case.examples / epoch:,.0f}", f"{1e3 * statistics.median(beyond):.2f}", history.program]


def line_or_error(start, columns, figures):
    """A line of the page, whose last columns say why there are no figures if there is an error."""
    try:
        found = figures()
    except Exception as error:
        traceback.print_exc()
        words = " ".join(str(error).replace("|", "/").split())[:200]
        found = [FAILED, *["–"] * (columns - 2), f"{type(error).__name__}: {words}"]
    return f"{start} {' | '.join(found)} |"


def integers(backend, examples, epochs=epochs_for):
    """The lines of uint8 images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (examples, 784), dtype=np.uint8)
    images *= rng.random(images.shape, dtype=np.float32) < 0.2
    y = rng.integers(0, 10, examples)
    library = gn.get_backend(backend)
    device = find_device(library, backend)
    warnings.simplefilter("ignore", gn.UnscaledInputs)  # of images that are not standardised
    for batch, standardised in [*((batch, True) for batch in BATCHES), (BATCHES[0], False)]:
        fit = {
            "optimizer": gn.GradientDescent(0.01 if standardised else 1e-6, 0.9),
            "batch_size": batch,
            "callbacks": [lambda *_: None],
        }

        def figures(standardised=standardised, fit=fit):
            rates, ends = [], []
            for X in (images.astype("float32"), images):
                X, labels = (library.from_host(array, device) for array in (X, y))
                layers = [gn.Dense(256, "sigmoid"), gn.Dense(10, "softmax")]
                scaled = gn.Standardizer("set") if standardised else None
                net = gn.Network(layers, inputs=784, seed=0, backend=backend, standardizer=scaled)
                first = net.fit(X, labels, epochs=2, **fit).seconds[-1]
                history = net.fit(X, labels, epochs=epochs(first), **fit)
                rates.append(f"{examples / statistics.median(history.seconds):,.0f}")
                ends.append([library.to_host(p) for pair in net.parameters for p in pair])
                del X, labels
            same = all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))
            return [*rates, "yes" if same else "no", history.program]

        yield line_or_error(f"| {batch or 'full'} | {'yes' if standardised else 'no'} |", 4, figures)


def main(arguments=None):
    """The exit status: 1 if a line has no figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=HEADERS)
    parser.add_argument("--page", type=Path, required=True, help="a Markdown file, to which lines are added")
    parser.add_argument("--backend", default="cupy:0")
    parser.add_argument("--examples", type=int, help="default: 60,000; 240,000 images")
    given = parser.parse_args(arguments)
    measured = {"cells": cells, "integers": integers}[given.what]
    lines = measured(given.backend, given.examples or {"cells": 60_000, "integers": IMAGES}[given.what])
    failed = False
    header = HEADERS[given.what]
    given.page.parent.mkdir(parents=True, exist_ok=True)
    with given.page.open("a", encoding="utf-8") as page:
        page.write(f"\n{header}\n|{' --- |' * (header.count('|') - 1)}\n")
        for line in lines:
            print(line, flush=True)
            failed |= FAILED in line
            page.write(f"{line}\n")
            page.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
