"""The figure of ``descent``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Top and middle: the cost against epochs and against updates on logarithmic scales, one curve per
batch size: 1, 32, 1000 and the full batch. Bottom: examples per second for each batch size as pairs of bars,
plain NumPy and gpunet, on a logarithmic scale."""
COLOURS = (figures.RED, figures.GREEN, figures.BLUE, figures.BLACK)


def draw(tracks: dict[str, dict[str, Any]], plain: dict[str, float]) -> Any:
    """Draw the cost against epochs and updates, and the speeds."""
    figure, axes = figures.panels(1, 3, height=8.6)
    for one, what in zip(axes, ("epochs", "updates"), strict=False):
        for (name, track), colour in zip(tracks.items(), COLOURS, strict=True):
            one.loglog(track[what][1:], track["cost"][1:], color=colour, label=name)
        one.set(xlabel=what, ylabel="cost J")
        one.minorticks_off()
    axes[0].legend(frameon=False, fontsize=11, loc="lower right", labelspacing=0.2)
    places = np.arange(len(tracks))[::-1]
    for lift, speeds, colour, name in (
        (0.2, list(plain.values()), figures.SKY, "plain NumPy"),
        (-0.2, [track["speed"] for track in tracks.values()], figures.ORANGE, "gpunet"),
    ):
        axes[2].barh(places + lift, speeds, height=0.36, color=colour, label=name)
    axes[2].set_yticks(places, list(tracks))
    axes[2].tick_params(axis="y", length=0)
    axes[2].set(xscale="log", xlabel="examples per second on this machine")
    axes[2].legend(frameon=False, fontsize=11, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure
