"""The figure of ``noise``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Four contour plots of the cost over two weights, each with the path of 300 updates from the same
start and a star at the minimum: one example per update, batches of 20, the full batch, and one example per
update with a falling rate."""


def draw(X: Any, y: Any, best: Any, paths: dict[str, Any]) -> Any:
    """Draw three paths on the contours of J."""
    figure, axes = figures.panels(2, 2, height=5.0)
    u, v = np.linspace(-1.3, 3.2, 100), np.linspace(-2.2, 2.2, 100)
    J = 0.5 * ((np.stack(np.meshgrid(u, v), axis=-1) @ X.T - y) ** 2).mean(axis=-1)
    for one, (name, path) in zip(axes, paths.items(), strict=True):
        one.contour(u, v, J, J.min() + np.geomspace(0.02, 10, 9), colors=figures.GREY, linewidths=0.7)
        one.plot(*path.T, color=figures.RED, linewidth=1.0)
        one.plot(*best, "*", color=figures.BLUE, markersize=12)
        one.set(aspect="equal", xticks=[-1, 1, 3], yticks=[-2, 0, 2])
        one.set_title(name.replace(", ", ",\n"))
    for one in axes[2:]:
        one.set_xlabel("weight 1")
    for one in axes[::2]:
        one.set_ylabel("weight 2")
    return figure
