"""The figure of ``backprop``."""

from typing import Any

from gpunet.lecture import figures

ALT = """Top: the cached A and the errors δ of each layer as small colour maps; each error has the shape of
its A. Middle: the gradients in NumPy against the numerical ones, with a diagonal line where they are equal:
the right ones, those without the factor (1 − σ), and those with W for Wᵀ. Bottom: the cost against updates
for the same three."""
LOOKS = {
    "σ": (figures.RED, "x", "no (1 − σ)", 0),
    "order": (figures.ORANGE, "^", "W for Wᵀ", 8),
    "": (figures.BLUE, "o", "right", -8),
}


def draw(cache: list[Any], errors: list[Any], in_numpy: dict[str, Any], numerical: Any, costs: Any) -> Any:
    """Draw cache and errors, gradients against each other, and the cost of training."""
    figure = figures.blank(8.2)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2.3))
    small = top.subplots(2, len(errors))
    for l, (A, delta) in enumerate(zip(cache[1:], errors, strict=True)):
        figures.image(small[0, l], A[:, :24], limit=1.0)
        figures.image(small[1, l], delta[:, :24], signed=True)
        for axes, name in ((small[0, l], "A"), (small[1, l], "δ")):
            axes.set(aspect="auto", title=f"{name}[{l + 1}], {A.shape[0]} × m")
    middle, last = bottom.subplots(2, 1)
    for mistake, (colour, marker, name, lift) in LOOKS.items():
        middle.plot(numerical, in_numpy[mistake], marker, color=colour, markersize=5, label=name)
        last.plot(costs[mistake], color=colour)
        figures.at_end(last, [len(costs[mistake])], costs[mistake][-1:], name, colour, lift)
    middle.axline((0, 0), slope=1, color=figures.GREY, linewidth=0.8, zorder=0)
    middle.legend(frameon=False, fontsize=11, handletextpad=0.2)
    middle.set(xlabel="numerical gradient", ylabel="gradient in NumPy")
    last.set(xlabel="updates", ylabel="cost J", xlim=(0, 2000), ylim=(0, None), xticks=[0, 1000, 2000])
    return figure
