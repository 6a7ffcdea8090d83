"""The figure of ``regression``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Top: points along a rising line, and 12 outliers ten units below it, marked by crosses; the lines
fitted with L1 and with L2. Bottom: points of a line that crosses 0, and the output of a neuron with ReLU,
which is 0 or more everywhere."""


def draw(x: Any, y: Any, y_outlying: Any, outlying: Any, lines: dict[str, Any], relu: tuple[Any, Any]) -> Any:
    """Draw the two lines, and the ReLU output."""
    figure, (top, bottom) = figures.panels(1, 2, height=5.6)
    good = np.setdiff1d(np.arange(len(x)), outlying)
    top.plot(x[good], y[good], "o", color=figures.GREY, markersize=3.5, alpha=0.6)
    top.plot(x[outlying], y_outlying[outlying], "x", color=figures.BLACK, markersize=6)
    figures.label(top, x[outlying].min(), y_outlying[outlying].mean(), "outliers ", figures.BLACK, ha="right")
    for name, colour in (("L1", figures.BLUE), ("L2", figures.RED)):
        top.plot([-2, 2], lines[name], color=colour)
        figures.at_end(top, [2], lines[name][1:], name, colour)
    top.set(ylabel="y")
    bottom.axhspan(-4, 0, color=figures.GREY, alpha=0.15, linewidth=0)
    bottom.plot(x, y, "o", color=figures.GREY, markersize=3.5, alpha=0.6)
    bottom.plot(*relu, color=figures.BLUE)
    figures.note(bottom, -1.9, 0.35, "ReLU output", figures.BLUE)
    figures.note(bottom, 1.95, -3.6, "ReLU output never here", figures.BLACK, ha="right")
    bottom.set(xlabel="x", ylabel="y", ylim=(-4, 4))
    return figure
