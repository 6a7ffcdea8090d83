"""The figure of ``normalise``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Two contour plots of the cost over two weights with the path of gradient descent and a star at the
minimum. Left, not normalised: the contours are ellipses. Right, normalised: the contours are circles, or
nearly so."""


def draw(X: Any, y: Any, paths: dict[str, Any]) -> Any:
    """Draw contours of J and both paths."""
    figure, axes = figures.panels(2, height=2.9)
    for one, (name, path) in zip(axes, paths.items(), strict=True):
        inputs = X if name == "not normalised" else X / X.std(axis=0)
        minimum = np.linalg.lstsq(inputs, y, rcond=None)[0]
        reach = 1.15 * np.abs(path[0] - minimum).max()
        u, v = (np.linspace(c - reach, c + reach, 120) for c in minimum)
        errors = np.stack(np.meshgrid(u, v), axis=-1) @ inputs.T - y
        J = 0.5 * (errors**2).mean(axis=-1)
        one.contour(u, v, J, J.max() * np.geomspace(0.002, 1, 9), colors=figures.GREY, linewidths=0.8)
        one.plot(*path.T, "o-", color=figures.RED, markersize=3.5, linewidth=1.4)
        one.plot(*minimum, "*", color=figures.BLUE, markersize=13)
        one.set(title=name, xlabel="weight 1", aspect="equal")
    axes[0].set_ylabel("weight 2")
    return figure
