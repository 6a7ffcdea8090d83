"""The figure of ``batch``."""

from typing import Any

from gpunet.lecture import figures

ALT = """Examples per second against the number of examples, both on logarithmic scales: one curve for a
single matrix product over 1 to 4,096 columns, one for a loop over 1 to 64 columns."""


def draw(sizes: tuple[int, ...], speeds: list[float], loops: list[float]) -> Any:
    """Draw speed against the number of columns."""
    figure, [axes] = figures.panels(height=3.4)
    axes.loglog(sizes, speeds, "o-", color=figures.BLUE)
    axes.loglog(sizes[: len(loops)], loops, "o-", color=figures.RED)
    figures.label(axes, sizes[3], speeds[3], "one product ", figures.BLUE, 12, ha="right")
    figures.at_end(axes, sizes[: len(loops)], loops, "a loop over columns", figures.RED)
    axes.set(xlabel="examples (m)", ylabel="examples per second")
    axes.set_xticks(sizes)
    axes.set_xticklabels([f"{m:,}" for m in sizes])
    axes.minorticks_off()
    return figure
