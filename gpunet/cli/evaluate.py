"""``gpunet evaluate``: a saved network on data with targets."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

import gpunet as gn
from gpunet.cli.data import NAMED, class_numbers, fingerprint, open_data
from gpunet.cli.train import in_figures


def evaluate(options: Namespace) -> None:
    """Print loss and accuracy."""
    network = gn.load(options.net, options.backend)
    notes, what = network.notes, options.what
    # A file is read as in training, and split so if it is the same one.
    same = what not in NAMED and notes.get("sha256") is not None and notes["sha256"] == _sum(what)
    kind = options.kind
    if kind is None and what == "needles" and notes.get("data") == "needles":
        kind = notes.get("source_kind")
    elif kind is None and what not in NAMED and notes.get("kind") in ("classes", "values"):
        kind = notes["kind"] if notes.get("class_names") or notes["kind"] == "values" else None
    dataset = open_data(
        what,
        folder=options.data,
        target=options.target
        if options.target is not None
        else notes.get("target")
        if what not in NAMED
        else None,
        kind=kind,
        test_fraction=notes["test_fraction"] if same else 0.2,
    )
    names = notes.get("class_names") or [str(k) for k in range(max(network.layers[-1].units, 2))]
    X, y = dataset.X_test, dataset.y_test
    rows = f"{len(X):,} test examples"
    if options.all or not (same or what in NAMED):
        X, y = np.concatenate([dataset.X, X]), np.concatenate([dataset.y, y])
        rows = f"all {len(X):,} examples"
    figures = network.evaluate(X, class_numbers(dataset, y, names, what))
    print(f"{options.net} on {rows} of {dataset.name}")
    for name, figure in figures.items():
        print(f"{name}: {in_figures(figure)}")


def _sum(path: str) -> str | None:
    try:
        return fingerprint(path)
    except OSError:
        return None  # said when it is read
