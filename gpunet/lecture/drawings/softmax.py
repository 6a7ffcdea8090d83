"""The figure of ``softmax``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Top: the weights of the three classes as images, negative weights in purple and positive ones in
orange. Bottom: the cost against updates, one curve for a softmax of z and one for a softmax of y, and a
dashed line at the lower bound of the latter."""


def draw(w: Any, costs: list[float], mistake_costs: list[float], floor: float) -> Any:
    """Show the weights of each class, and the cost with and without the mistake."""
    figure = figures.blank(5.0)
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.6))
    for k, title in enumerate(("upright", "flat", "slanting")):
        axes = figure.add_subplot(grid[0, k])
        figures.image(axes, w[k], signed=True, limit=float(np.abs(w).max()))
        axes.set_title(title, loc="center")
    axes = figure.add_subplot(grid[1, :])
    updates = len(costs) - 1
    for values, name, colour in (
        (costs, "softmax of z", figures.BLUE),
        (mistake_costs, "of y (mistake)", figures.RED),
    ):
        axes.plot(values, color=colour)
        figures.label(axes, updates, values[-1], name, colour, 9, ha="right")
    axes.axhline(floor, color=figures.GREY, linestyle="--", linewidth=1.2)
    figures.label(axes, updates, floor, "lower bound with the mistake", figures.GREY, -9, ha="right")
    axes.set(xlabel="updates (full batch)", ylabel="cost J", ylim=(0, None), xlim=(0, updates))
    return figure
