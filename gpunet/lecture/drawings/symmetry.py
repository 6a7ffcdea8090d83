"""The figure of ``symmetry``."""

from typing import Any

import numpy as np

from gpunet.lecture import figures

ALT = """Three panels, one per initialisation: all weights 0, all 0.5, random. Each shows the first weight of
the six hidden neurons against updates; where the neurons are equal, their six curves are one."""


def draw(tracks: dict[str, Any]) -> Any:
    """Draw the first weight of each neuron against updates."""
    figure, axes = figures.panels(1, 3, height=5.6)
    limit = 1.1 * max(np.abs(track[:, :, 0]).max() for track in tracks.values())
    for one, (name, track) in zip(axes, tracks.items(), strict=True):
        for k, colour in zip(range(track.shape[1]), figures.COLOURS, strict=False):
            one.plot(track[:, k, 0], color=colour)
        one.set(title=name, ylim=(-limit, limit))
        if np.ptp(track[:, :, 0], axis=1).max() < 1e-6:
            figures.note(
                one, len(track) / 2, -0.6 * limit, f"{track.shape[1]} neurons, one line", ha="center"
            )
        if one is not axes[-1]:
            one.set_xticklabels([])
    axes[-1].set_xlabel("updates")
    axes[1].set_ylabel("first weight of each neuron")
    return figure
