"""The figure of ``needle``."""

from typing import Any

from gpunet.lecture import figures

ALT = """Four images: a haystack with a needle, one without, the 256 weights of the neuron as an image with
negative weights in purple and positive ones in orange, and the needle alone."""


def draw(images: list[Any], w: Any, needle: Any) -> Any:
    """Show two images, the weights and the needle."""
    figure, axes = figures.panels(2, 2, height=5.2)
    for one, image, title in zip(axes, images, ("with a needle", "without"), strict=False):
        figures.image(one, image, limit=1.0)
        one.set_title(title)
    figures.image(axes[2], w, signed=True)
    axes[2].set_title("learned weights")
    axes[2].set_xlabel("purple < 0 < orange")
    figures.image(axes[3], needle, limit=1.0)
    axes[3].set_title("the needle")
    return figure
