"""The figure of ``saturation``."""

from typing import Any

from gpunet.lecture import figures

ALT = """Top: the derivatives of sigmoid, tanh and ReLU against z from −8 to 8, and a dashed line at ¼.
Bottom: the output of a neuron that starts at z = −6 with the target 1, against updates, with the logistic
loss and with L2."""


def draw(Z: Any, slopes: dict[str, Any], outputs: dict[str, list[float]]) -> Any:
    """Draw g′ against z, and the output of a saturated neuron during training."""
    figure, (top, bottom) = figures.panels(1, 2, height=5.4)
    colours = {"relu": figures.GREY, "tanh": figures.RED, "sigmoid": figures.BLUE}
    for name, colour in colours.items():
        top.plot(Z, slopes[name], color=colour)
    top.axhline(0.25, color=figures.BLUE, linestyle="--", linewidth=1)
    figures.note(top, -8, 0.27, "¼", figures.BLUE, va="bottom")
    figures.note(top, 2.2, 0.13, "sigmoid", figures.BLUE)
    figures.note(top, -1.2, 0.8, "tanh", figures.RED, ha="right")
    figures.note(top, 4, 0.93, "ReLU", figures.GREY, va="top")
    top.set(xlabel="z", ylabel="derivative g′(z)", xticks=[-8, -4, 0, 4, 8])
    for loss, colour, name, at in (
        ("logistic", figures.GREEN, "logistic loss", 200),
        ("squared_error", figures.PURPLE, "L2 ", 700),
    ):
        bottom.plot(outputs[loss], color=colour)
        figures.label(bottom, at, outputs[loss][at], name, colour, -16 if loss == "logistic" else 12)
    bottom.set(
        xlabel="updates from z = −6",
        ylabel="output ŷ (target 1)",
        ylim=(0, 1.02),
        xlim=(0, len(outputs["logistic"])),
    )
    return figure
