"""The figure of ``collapse``."""

from typing import Any

from gpunet.lecture import figures

ALT = """Top: points on a wavy curve, and the outputs of three layers with tanh and of three layers without
activations. Bottom: the outputs of the three layers without activations against those of the single layer,
with a diagonal line where they are equal."""


def draw(x: Any, y: Any, grid: Any, lines: dict[str, Any]) -> Any:
    """Draw the learned functions, and three linear layers against one."""
    figure, (top, bottom) = figures.panels(1, 2, height=5.6)
    top.plot(x, y, "o", color=figures.GREY, markersize=3, alpha=0.5)
    top.plot(grid, lines["tanh"], color=figures.BLUE)
    top.plot(grid, lines["identity"], color=figures.RED)
    figures.note(top, -3, 2.1, "with tanh", figures.BLUE)
    figures.note(top, -3, 1.55, "without activations", figures.RED)
    top.set(xlabel="x", ylabel="y", ylim=(-1.8, 2.6))
    bottom.plot(lines["one layer"][::10], lines["identity"][::10], "o", color=figures.RED)
    bottom.axline((0, 0), slope=1, color=figures.GREY, linewidth=0.8, zorder=0)
    bottom.set(xlabel="one layer, W x + B", ylabel="three layers")
    return figure
