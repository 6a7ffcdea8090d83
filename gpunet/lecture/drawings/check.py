"""The figure of ``check``."""

from typing import Any

from gpunet.lecture import figures

ALT = """The relative difference of the two gradients on a logarithmic scale: one row per activation with a
dot for each of four losses, and a last row for the mistake. A dashed line marks one millionth."""


def draw(
    activations: tuple[str, ...],
    losses: list[str],
    errors: dict[tuple[str, str], float],
    mistaken: dict[str, float],
) -> Any:
    """Draw one row of dots per activation."""
    figure, [axes] = figures.panels(height=5.6)
    rows = [*activations, "no (1 − σ)"]
    for place, activation in enumerate(rows):
        for loss, colour in zip(losses, figures.COLOURS, strict=False):
            value = errors.get((activation, loss), mistaken[loss])
            axes.semilogx(
                value, place, "o", color=colour, alpha=0.8, label=loss.replace("_", " ") if place == 0 else ""
            )
    axes.axvline(1e-6, color=figures.GREY, linestyle="--", linewidth=1)
    axes.set(yticks=range(len(rows)), xlabel="relative difference", xlim=(1e-13, 10))
    axes.set_yticklabels(rows)
    axes.invert_yaxis()
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=11, handletextpad=0.1)
    return figure
