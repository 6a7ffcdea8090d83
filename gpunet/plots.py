"""Pictures of a training run; they need matplotlib, which is imported only here."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.devices.registry import backend_of

if TYPE_CHECKING:
    from gpunet.network import Network
    from gpunet.training.history import History

FORMATS = (".png", ".svg", ".pdf")
TRAINING, VALIDATION = "#0072b2", "#d55e00"  # told apart by everyone (Okabe and Ito 2008)
MOST = 16  # neurons that are drawn


def check(path: str | Path) -> None:
    """Raise at once what drawing to `path` would raise later.

    Raises
    ------
    ValueError
        If the file's ending is not one of `FORMATS`.
    ImportError
        If matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"a picture ends in {', '.join(FORMATS)}; got {str(path)!r}")
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            'pictures are drawn by matplotlib, which is not installed; install it with: pip install "gpunet[plot]"'
        )


def training(history: History, path: str | Path, *, network: Network | None = None) -> None:
    """Draw loss and accuracy by epoch and, for images, what the first layer's neurons look at.

    Parameters
    ----------
    history : History
        Of at least one epoch.
    path : path
        ``.png``, ``.svg`` or ``.pdf``.
    network : Network, optional
        Its first layer is drawn if its inputs are images: ``network.notes["image_shape"]``, as the command
        line sets it.

    Raises
    ------
    ValueError, ImportError
        As :func:`check`.
    """
    check(path)
    from matplotlib.figure import Figure

    shape = None if network is None else network.notes.get("image_shape")
    wide = 1 + bool(history.val_accuracy) + bool(shape)
    figure = Figure(figsize=(4.2 * wide, 3.6), layout="constrained")
    parts = figure.subfigures(1, wide, squeeze=False)[0]
    _curves(parts[0], "loss", history.loss, history.val_loss)
    if history.val_accuracy:
        _curves(parts[1], "accuracy", [], history.val_accuracy)
    if network is not None and shape:
        _first_layer(parts[-1], network, tuple(shape))
    figure.savefig(Path(path), dpi=150)


def _curves(part: Any, name: str, trained: list[float], validated: list[float]) -> None:
    axes = part.subplots()
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


def _first_layer(part: Any, network: Network, shape: tuple[int, ...]) -> None:
    """The weights of the neurons that matter most: those with the longest weight vectors."""
    W = network.parameters[0][0]
    library = backend_of(W)
    weights = np.asarray(W if library is None else library.to_host(W))
    images = weights.reshape(len(weights), *shape)
    if len(shape) == 3:
        images = images.mean(axis=3)
    names = network.notes.get("class_names") if len(network.layers) == 1 else None
    count = min(len(images), MOST)
    chosen = np.sort(np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:count])
    across = math.ceil(math.sqrt(count))
    grid = part.subplots(math.ceil(count / across), across, squeeze=False).reshape(-1)
    for axes in grid:
        axes.set_axis_off()
    for axes, k in zip(grid, chosen, strict=False):
        bound = float(np.abs(images[k]).max()) or 1.0
        axes.imshow(images[k], cmap="RdBu_r", vmin=-bound, vmax=bound)
        if names is not None and len(weights) == len(names):
            axes.set_title(names[k], fontsize=8)
    part.suptitle("weights of the first layer (red +, blue −)")
