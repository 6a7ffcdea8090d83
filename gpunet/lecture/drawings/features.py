"""The figure of ``features``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Two grids of 25 small images: the weights of the hidden neurons before training and after it,
negative weights in purple and positive ones in orange."""


def draw(before: Any, after: Any) -> Any:
    """Show both grids."""
    figure, axes = figures.panels(2, height=2.9)
    for one, images, title in zip(axes, (before, after), ("before training", "after training"), strict=True):
        figures.image(one, _mosaic(images), signed=True, limit=1.0)
        one.set_title(f"W[1] {title}")
    return figure


def _mosaic(images: Any) -> Any:
    """Arrange 25 images in a square of 5 by 5, with a thin white line between them."""
    k, height, width = images.shape
    side = int(k**0.5)
    scale = np.abs(images).max(axis=(1, 2), keepdims=True)
    framed = np.pad(images / scale, ((0, 0), (0, 1), (0, 1)))
    grid = framed.reshape(side, side, height + 1, width + 1).swapaxes(1, 2)
    return grid.reshape(side * (height + 1), side * (width + 1))[:-1, :-1]
