"""The figure of ``depth``."""

from typing import Any

from gpunet.lecture import figures

ALT = """Two panels on logarithmic scales, against 1 to 100 layers. Top: output divided by input, for weights
of 1.5·I and of 0.5·I. Bottom: the error of the first layer divided by that of the last, for 0.5·I with and
without ReLU, sigmoid, tanh and ReLU with LeCun initialisation, and ReLU with He initialisation."""
COLOURS = {
    "1.5·I": figures.RED,
    "0.5·I": figures.BLUE,
    "0.5·I, ReLU": figures.SKY,
    "σ, LeCun": figures.PURPLE,
    "tanh, LeCun": figures.GREEN,
    "ReLU, LeCun": figures.ORANGE,
    "ReLU, He": figures.BLACK,
}


def draw(depths: tuple[int, ...], signal: dict[str, list[float]], error: dict[str, list[float]]) -> Any:
    """Draw signal and error against depth."""
    figure, (top, bottom) = figures.panels(1, 2, height=6.6, heights=(1, 1.5))
    for name in ("1.5·I", "0.5·I"):
        top.semilogy(depths, signal[name], "o-", color=COLOURS[name], markersize=4)
        figures.at_end(top, depths, signal[name], name, COLOURS[name])
    top.set(xlabel="layers L", ylabel="‖ŷ‖ / ‖x‖", xlim=(0, 100))
    for name, colour in COLOURS.items():
        if name != "1.5·I":
            bottom.semilogy(depths, error[name], "--" if name == "0.5·I, ReLU" else "-", color=colour)
    bottom.set(xlabel="layers L", ylabel="‖δ[1]‖ / ‖δ[L]‖", ylim=(1e-35, 1e3), xlim=(0, 100))
    lifts = sorted(("tanh, LeCun", "ReLU, He"), key=lambda name: error[name][-1])
    for name, lift in ((lifts[0], -7), (lifts[1], 8), ("ReLU, LeCun", 0)):
        figures.at_end(bottom, depths, error[name], name, COLOURS[name], lift)
    figures.at_end(bottom, depths, error["0.5·I"], "0.5·I, also\nwith ReLU", COLOURS["0.5·I"])
    figures.note(bottom, 6, 1e-33, "σ, LeCun", COLOURS["σ, LeCun"])
    return figure
