"""Plots of a training run, with matplotlib, which is imported when a plot is drawn."""

from __future__ import annotations

import importlib.util
import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.devices.registry import backend_of
from gpunet.installation import install_command

FORMATS = (".png", ".svg", ".pdf")
TRAINING, VALIDATION = "#0072b2", "#d55e00"  # distinguishable by colour-blind people (Okabe and Ito 2008)
MOST_NEURONS = 16  # of the first layer


def check(path: str | Path | None = None) -> None:
    """Raise now what drawing to `path` would raise later; None is a plot without a file.

    Raises
    ------
    ValueError
        If the file's ending is not one of `FORMATS`.
    ImportError
        If matplotlib is not installed.
    """
    if path is not None and Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"a plot file ends in {', '.join(FORMATS)}; got {str(path)!r}")
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
    ValueError, ImportError
        As :func:`check`.
    """
    check(path)
    if not history.loss:
        raise ValueError("there is nothing to plot: the history has no epochs")
    shape = None if network is None else network.notes.get("image_shape")
    count = 1 + bool(history.val_accuracy) + bool(shape)
    figure = _figure(figsize=(4.2 * count, 3.6), layout="constrained")
    panels = figure.subfigures(1, count, squeeze=False)[0]
    _curves(panels[0], "loss", history.loss, history.val_loss)
    if history.val_accuracy:
        _curves(panels[1], "accuracy", [], history.val_accuracy)
    if network is not None and shape:
        _first_layer(panels[-1], network, tuple(shape))
    if path is not None:
        figure.savefig(Path(path), dpi=150)
    return figure


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
