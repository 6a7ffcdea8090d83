"""The figure of ``starts``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Top: the size of the signal against the layer, 1 to 30, on a logarithmic scale, for four
initialisations; values below ten to the minus 8 are left out. Bottom: the cost after training for eight
initialisations as bars on a logarithmic scale; those of the notes are marked with a star."""
LOOKS = {
    "tanh, LeCun": figures.GREEN,
    "ReLU, He": figures.BLUE,
    "ReLU, LeCun": figures.ORANGE,
    "tanh, value 1/n*": figures.RED,
}


def draw(layers: tuple[int, ...], signal: dict[str, list[float]], cost: dict[str, float]) -> Any:
    """Draw the signal against depth, and the cost after training."""
    figure, (top, bottom) = figures.panels(1, 2, height=6.4)
    highest = max(("tanh, LeCun", "ReLU, He"), key=lambda name: signal[name][-1])
    for name, colour in LOOKS.items():
        sizes = np.array(signal[name])
        inside = sizes > 1e-8
        lift = 0 if name in ("ReLU, LeCun", "tanh, value 1/n*") else 8 if name == highest else -6
        top.semilogy(np.array(layers)[inside], sizes[inside], "o-", color=colour, markersize=4)
        figures.at_end(top, np.array(layers)[inside], sizes[inside], name, colour, lift)
    top.set(xlabel="layer l", ylabel="deviation of A[l]", ylim=(1e-8, 10), xlim=(0, 30))
    names = list(cost)[::-1]
    colours = [figures.RED if "*" in name else figures.BLUE for name in names]
    bottom.barh(names, [cost[name] for name in names], color=colours, height=0.6)
    for place, name in enumerate(names):
        figures.note(bottom, cost[name] * 1.15, place, f"{cost[name]:.1g}", va="center", fontsize=11)
    bottom.set(xlabel="cost after training", title="* as in the notes", xscale="log", xlim=(None, 8))
    bottom.tick_params(axis="y", length=0)
    return figure
