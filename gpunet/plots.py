"""Plots of a training run, with matplotlib, which is imported when a plot is drawn."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.core.checks import texts
from gpunet.devices.registry import backend_of
from gpunet.installation import install_command
from gpunet.paths import file_path

FORMATS = (".png", ".svg", ".pdf")
TRAINING, VALIDATION = "#0072b2", "#d55e00"  # distinguishable by colour-blind people (Okabe and Ito 2008)
MOST_NEURONS = 16  # of the first layer
MOST_COUNTS, MOST_NAMES, LONGEST_NAME = 20, 50, 20  # classes of a confusion matrix; characters


def check(path: str | Path | None = None) -> None:
    """Raise now what drawing to `path` would raise later; None is a plot without a file.

    Raises
    ------
    ValueError
        If the file's ending is not one of `FORMATS`.
    OSError
        If there is no such folder.
    ImportError
        If matplotlib is not installed.
    """
    if path is not None:
        file = file_path("path", path)
        if file.suffix.lower() not in FORMATS:
            raise ValueError(f"a plot file ends in {', '.join(FORMATS)}; got {str(path)!r}")
        if not file.parent.is_dir():
            raise FileNotFoundError(f"can't save to {path}: there is no folder {file.parent}; make it first")
        if file.is_dir():
            raise IsADirectoryError(f"can't save to {path}: it is a folder; add a file name")
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            f"plots need matplotlib, which is not installed; install it with: {install_command('plot')}"
        )


def training(history: Any, path: str | Path | None = None, *, network: Any = None) -> Any:
    """Plot loss and accuracy per epoch and, for images, the weights of the first layer.

    Parameters
    ----------
    history : History
        History of at least one epoch.
    path : path, optional
        ``.png``, ``.svg`` or ``.pdf``.
    network : Network, optional
        Its first layer is drawn if ``network.notes["image_shape"]`` says that its inputs are images, as after
        ``gpunet train``.

    Returns
    -------
    matplotlib.figure.Figure
        Jupyter shows it.

    Raises
    ------
    ValueError, OSError, ImportError
        As :func:`check`, and for a history without an epoch.
    TypeError
        For what is no history, or no network.
    """
    check(path)
    _require("history", history, "History, as fit returns it", "val_metrics")
    if network is not None:
        _require("network", network, "Network", "notes")
    if not history.loss:
        raise ValueError("there is nothing to plot: the history has no epochs")
    shape = None if network is None else network.notes.get("image_shape")
    count = 1 + bool(history.val_accuracy) + len(history.val_metrics) + bool(shape)
    figure = _figure(figsize=(4.2 * count, 3.6), layout="constrained")
    panels = figure.subfigures(1, count, squeeze=False)[0]
    _curves(panels[0], "loss", history.loss, history.val_loss)
    if history.val_accuracy:
        _curves(panels[1], "accuracy", [], history.val_accuracy)
    first_metric = 1 + bool(history.val_accuracy)
    for panel, (name, values) in zip(panels[first_metric:], history.val_metrics.items(), strict=False):
        _curves(panel, name, [], values)
    if network is not None and shape:
        _first_layer(panels[-1], network, tuple(shape))
    if path is not None:
        figure.savefig(Path(path), dpi=150)
    return figure


def learning_rates(search: Any, path: str | Path | None = None) -> Any:
    """Plot the loss over the learning rate, and the suggestion.

    Parameters
    ----------
    search : RateSearch
        As :func:`gpunet.find_learning_rate` returns it.
    path : path, optional
        ``.png``, ``.svg`` or ``.pdf``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        For a search without an update, and as :func:`check`.
    TypeError
        For what is no search.
    OSError, ImportError
        As :func:`check`.
    """
    check(path)
    _require("search", search, "RateSearch, as find_learning_rate returns it", "smoothed")
    if not len(search.rates):
        raise ValueError("there is nothing to plot: the first loss was not finite")
    figure = _figure(figsize=(5.0, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(search.rates, search.losses, color=TRAINING, alpha=0.3, label="loss of each batch")
    axes.plot(search.rates, search.smoothed, color=TRAINING, label="smoothed")
    if search.suggestion is not None:
        axes.axvline(search.suggestion, color=VALIDATION, label=f"suggestion: {search.suggestion:.2g}")
    axes.set(xlabel="learning rate", ylabel="loss", xscale="log")
    axes.set_ylim(bottom=0, top=1.5 * float(max(search.smoothed)))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    if path is not None:
        figure.savefig(Path(path), dpi=150)
    return figure


def confusion(matrix: Any, names: Sequence[str] | None = None, path: str | Path | None = None) -> Any:
    """Plot a confusion matrix: how many examples of each class (row) were predicted as which (column).

    The colour of a cell is its share of its row: the diagonal is recall.

    Parameters
    ----------
    matrix : array-like of int, ``(k, k)``
    names : sequence of str, optional
        Of the classes; numbers from 0 if left out.
    path : path, optional
        ``.png``, ``.svg`` or ``.pdf``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        For what is no square matrix of counts, and names that do not fit it.
    TypeError
        For what does not hold numbers, and names that are no list.
    ValueError, OSError, ImportError
        As :func:`check`.
    """
    check(path)
    counts = np.asarray(matrix)
    if counts.dtype.kind not in "biuf":
        got = type(matrix).__name__
        raise TypeError(f"a confusion matrix holds counts, got {got}; a ClassReport has one, its matrix")
    k = counts.shape[0] if counts.ndim else 0
    if counts.shape != (k, k) or k == 0:
        raise ValueError(f"a confusion matrix has shape (k, k), got {counts.shape}")
    if not (counts >= 0).all():  # nor is NaN
        raise ValueError("a confusion matrix holds counts: numbers of at least 0")
    names = [_short(name) for name in texts("names", range(k) if names is None else names)]
    if len(names) != k:
        raise ValueError(f"a matrix of {k} classes needs {k} names, got {len(names)}")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.5 + 0.5 * min(max(k, 4), 16)
    figure = _figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    if k <= MOST_NAMES:
        small = 10 if k <= 16 else 6
        axes.set_yticks(range(k), names, fontsize=small)
        upright = max(map(len, names)) > 3
        axes.set_xticks(range(k), names, fontsize=small, rotation=90 if upright else 0)
    if k <= MOST_COUNTS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(*(column, row, f"{count:,}"), ha="center", va="center", color=colour, fontsize=8)
    axes.set(xlabel="predicted class", ylabel="true class")
    if path is not None:
        figure.savefig(Path(path), dpi=150)
    return figure


def _require(what: str, value: Any, wanted: str, attribute: str) -> None:
    """Raise a TypeError for what has not an attribute that objects of the `wanted` class have."""
    if isinstance(value, type) or not hasattr(value, attribute):
        got = repr(value) if isinstance(value, type | str) else type(value).__name__
        raise TypeError(f"{what} must be a {wanted}; got {got}")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _figure(**settings: Any) -> Any:
    """A figure that notebooks show, whether or not pyplot has been imported."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=100)
            return file.getvalue()

    return ShownFigure(**settings)


def _curves(panel: Any, name: str, trained: list[float], validated: list[float]) -> None:
    axes = panel.subplots()
    for label, colour, values in (("training", TRAINING, trained), ("validation", VALIDATION, validated)):
        if values:
            marker = "o" if len(values) == 1 else None
            axes.plot(range(1, len(values) + 1), values, color=colour, label=label, marker=marker)
    axes.set(xlabel="epoch", title=name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    if name == "loss":
        axes.set_ylim(bottom=0)


def _first_layer(panel: Any, network: Any, shape: tuple[int, ...]) -> None:
    """The weights of the neurons with the largest weight vectors, as images."""
    W = network.parameters[0][0]
    library = backend_of(W)
    weights = np.asarray(W if library is None else library.to_host(W))
    if math.prod(shape) != weights.shape[1]:
        raise ValueError(
            f"network.notes['image_shape'] is {shape}, which are not the {weights.shape[1]} inputs of the network"
        )
    images = weights.reshape(len(weights), *shape)
    if len(shape) == 3:
        images = images.mean(axis=3)
    names = network.notes.get("class_names") if len(network.layers) == 1 else None
    count = min(len(images), MOST_NEURONS)
    chosen = np.sort(np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:count])
    across = math.ceil(math.sqrt(count))
    grid = panel.subplots(math.ceil(count / across), across, squeeze=False).reshape(-1)
    for axes in grid:
        axes.set_axis_off()
    for axes, k in zip(grid, chosen, strict=False):
        bound = float(np.abs(images[k]).max()) or 1.0
        axes.imshow(images[k], cmap="RdBu_r", vmin=-bound, vmax=bound)
        if names is not None and len(weights) == len(names):
            axes.set_title(names[k], fontsize=8)
    panel.suptitle("weights of the first layer (red +, blue −)")
