"""The figure of ``detectors``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Top: the fraction of needles found against the number of needles in the image, 1 to 3, one line for
three detectors and one for a softmax. Bottom: for each of them a table of 3 by 3 cells, the change of
gradient j when the weights k change."""


def draw(found: dict[str, list[float]], coupling: dict[str, Any]) -> Any:
    """Draw the fraction found, and the coupling of the gradients."""
    figure = figures.blank(5.4)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1))
    top = figure.add_subplot(grid[0, :])
    for name, colour, lift in (("three detectors", figures.BLUE, -14), ("softmax", figures.RED, 12)):
        top.plot([1, 2, 3], found[name], "o-", color=colour, clip_on=False)
        figures.label(top, 2, found[name][1], name, colour, lift, ha="left" if lift > 0 else "center")
    top.set(xlabel="needles in the image", ylabel="fraction found", ylim=(0, 1.02), xticks=[1, 2, 3])
    for column, (name, changes) in enumerate(coupling.items()):
        axes = figure.add_subplot(grid[1, column])
        axes.imshow(changes > 0, cmap="Blues", vmin=0, vmax=2)
        for j, k in np.ndindex(3, 3):
            axes.text(
                k, j, f"{changes[j, k]:.2f}" if changes[j, k] else "0", ha="center", va="center", fontsize=11
            )
        axes.set(title=name, xlabel="weights k changed", xticks=range(3), yticks=range(3))
        axes.set_xticklabels([1, 2, 3])
        axes.set_yticklabels([1, 2, 3])
        if column == 0:
            axes.set_ylabel("gradient j")
    return figure
