"""The figure of ``momentum``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Top: ellipses, the contours of the cost, with the first 50 updates of two paths, plain and with
momentum, and a star at the minimum. Bottom: the distance from the minimum against updates on a logarithmic
scale, for both."""


def draw(plain: Any, momentum: Any) -> Any:
    """Draw both paths, and the distance from the minimum."""
    figure, (top, bottom) = figures.panels(1, 2, height=5.6)
    u, v = np.linspace(-3.4, 3.4, 120), np.linspace(-0.9, 0.9, 120)
    U, V = np.meshgrid(u, v)
    top.contour(
        u, v, 0.005 * U**2 + 0.5 * V**2, np.geomspace(0.001, 0.4, 8), colors=figures.GREY, linewidths=0.7
    )
    for path, colour, name in ((plain, figures.RED, "plain"), (momentum, figures.BLUE, "momentum")):
        top.plot(*path[:50].T, "o-", color=colour, markersize=3, linewidth=1.3)
        distance = np.linalg.norm(path, axis=1)
        bottom.semilogy(distance, color=colour)
        figures.at_end(bottom, [len(distance) - 1], distance[-1:], name, colour)
    top.plot(0, 0, "*", color=figures.BLACK, markersize=12)
    top.set(title="the first 50 updates", xlabel="weight 1", ylabel="weight 2", ylim=(-0.9, 0.9))
    bottom.set(xlabel="updates", ylabel="distance from minimum", xlim=(0, len(plain) - 1))
    return figure
