"""The figure of ``separation``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Six maps of a network's output over a plane, with the points of both classes: for XOR, a disc in a
ring and a triangle, on the left without activations, where the decision boundary is one straight line, on the
right with tanh."""


def draw(side: Any, maps: dict[tuple[str, str], Any]) -> Any:
    """Colour the plane by the networks' outputs, with the points on top."""
    figure, axes = figures.panels(2, len(maps) // 2, height=6.6)
    extent = (side[0], side[-1], side[0], side[-1])
    for one, ((shape, name), (X, y, output)) in zip(axes, maps.items(), strict=True):
        one.imshow(
            output, cmap=figures.SIGNED, vmin=-0.6, vmax=1.6, origin="lower", extent=extent, aspect="auto"
        )
        if np.ptp(np.sign(output - 0.5)) > 0:
            one.contour(side, side, output, [0.5], colors=figures.BLACK, linewidths=1.5)
        for k, colour, marker in ((0, "#3b2a7a", "o"), (1, "#8a4500", "^")):
            one.plot(*X[y == k][:120].T, marker, color=colour, markersize=2.5)
        one.set(xticks=[], yticks=[], aspect="equal")
        if name == "without":
            one.set_ylabel(shape)
    axes[0].set_title("no activations", loc="center")
    axes[1].set_title("with tanh", loc="center")
    return figure
