"""The figure of ``decay``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Top: the weights as images for λ = 0, 0.01, 0.1 and 1, negative weights in purple and positive ones
in orange. Bottom: the cost against λ, one line for training images and one for test images."""


def draw(lambdas: tuple[float, ...], images: list[Any], training: list[float], test: list[float]) -> Any:
    """Draw the weights for each λ, and the costs."""
    figure = figures.blank(4.8)
    grid = figure.add_gridspec(2, len(lambdas), height_ratios=(1, 2.2))
    for k, (decay, weights) in enumerate(zip(lambdas, images, strict=True)):
        axes = figure.add_subplot(grid[0, k])
        figures.image(axes, weights, signed=True, limit=0.8 * np.abs(images[0]).max())
        axes.set_title(f"λ = {decay:g}", loc="center")
    axes = figure.add_subplot(grid[1, :])
    positions = range(len(lambdas))
    above = "test" if test[-1] > training[-1] else "training"
    for costs, name, colour in ((test, "test", figures.RED), (training, "training", figures.BLUE)):
        axes.plot(positions, costs, "o-", color=colour)
        figures.at_end(axes, positions, costs, name, colour, 6 if name == above else -6)
    axes.set(xticks=positions, xlabel="λ", ylabel="cost J", ylim=(0, None), xlim=(-0.5, 3.2))
    axes.set_xticklabels([f"{decay:g}" for decay in lambdas])
    return figure
