"""Each layer multiplies the signal and the error, so with depth both vanish or explode.

C14: the error of the first layer is a product of the Jacobians of all layers. With weights 1.5·I and g(z) = z
it grows as 1.5^L, with 0.5·I it vanishes. σ′ ≤ ¼ makes it worse; ReLU with He initialisation makes it
better (C16).

    W[l] = c·I, b = 0, g(z) = z:  ŷ = c^L x
    δ[l] = (W[l+1]ᵀ δ[l+1]) ∘ g′(Z[l])
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result, power

TITLE = "Vanishing and exploding gradients"
CLAIMS = ("C14", "C16")
DEPTHS = (1, 2, 4, 7, 12, 20, 30, 45, 60, 80, 100)
N = 32


def scaled(c: float) -> Any:
    """Return an initializer: c times the identity."""
    return lambda rng, n_out, n_in: c * np.eye(n_out, n_in)


NETWORKS = {
    "1.5·I": ("identity", scaled(1.5)),
    "0.5·I": ("identity", scaled(0.5)),
    "0.5·I, ReLU": ("relu", scaled(0.5)),
    "σ, LeCun": ("sigmoid", "lecun_normal"),
    "tanh, LeCun": ("tanh", "lecun_normal"),
    "ReLU, LeCun": ("relu", "lecun_normal"),
    "ReLU, He": ("relu", "he_normal"),
}


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Propagate a signal forward and an error back through 1 to 100 layers."""
    signal, error = {}, {}
    for name, (activation, start) in NETWORKS.items():
        ratios = [through(L, activation, start, backend, seed) for L in DEPTHS]
        signal[name], error[name] = ([ratio[k] for ratio in ratios] for k in (0, 1))
    expected = [1.5**L for L in DEPTHS]
    return Result(
        {
            "layers": list(DEPTHS),
            "ŷ / x with 1.5·I": signal["1.5·I"],
            "largest relative difference from 1.5^L": float(
                np.max(np.abs(np.array(signal["1.5·I"]) / expected - 1.0))
            ),
            "ŷ / x with 0.5·I": signal["0.5·I"],
            **{f"δ[1] / δ[L] for 100 layers, {name}": error[name][-1] for name in NETWORKS},
        },
        "Straight lines on a logarithmic scale: each layer multiplies by about the same factor. A hundred "
        f"layers of 1.5·I multiply the signal by {power(signal['1.5·I'][-1])}. With sigmoids the error "
        f"vanishes within a dozen layers; with ReLU and He initialisation {error['ReLU, He'][-1]:.1g} of it "
        "is left after a hundred.",
        draw(signal, error),
        "Left: output divided by input against depth on a logarithmic scale; 1.5·I is a straight line up to "
        "ten to the 17, 0.5·I a straight line down to ten to the minus 30. Right: the error that reaches "
        "the first layer against depth; sigmoid falls at once, 0.5·I falls equally with and without ReLU, "
        "ReLU with LeCun initialisation falls slowly, tanh and ReLU with He stay near 1.",
        "The notes name a missing activation as the cause. With ReLU added, the error with 0.5·I vanishes "
        f"too, to {power(error['0.5·I, ReLU'][-1])} after 100 layers, the same as without it: "
        f"{power(error['0.5·I'][-1])}. Adding activations does not help; a suitable initialisation does.",
    )


def through(L: int, activation: str, start: Any, backend: str, seed: int) -> tuple[float, float]:
    """‖output‖ / ‖input‖ and ‖δ[1]‖ / ‖δ[last]‖ of a network of L layers."""
    to_host = gn.get_backend(backend).to_host
    layers = [gn.Dense(N, activation, start)] * L + [gn.Dense(N, "identity", scaled(1.0))]
    net = gn.Network(layers, inputs=N, seed=seed, backend=backend, dtype="float64")
    x = np.abs(np.random.default_rng(seed).standard_normal((1, N)))
    output = net.predict(x)
    # A target that differs from the output, so that the error is not 0.
    _, gradients = net.gradients(x, output - np.maximum(1.0, np.abs(output)))
    first, last = (np.linalg.norm(to_host(gradients[k][1])) for k in (0, -1))
    return float(np.linalg.norm(output) / np.linalg.norm(x)), float(first / last)


def draw(signal: dict[str, list[float]], error: dict[str, list[float]]) -> Any:
    """Draw signal and error against depth."""
    figure, (left, right) = figures.panels(2, height=3.8, widths=(1, 1.15))
    colours = dict(zip(NETWORKS, (figures.RED, figures.BLUE, figures.SKY, figures.PURPLE, figures.GREEN,
                                figures.ORANGE, figures.BLACK), strict=True))  # fmt: skip
    for name in ("1.5·I", "0.5·I"):
        left.semilogy(DEPTHS, signal[name], "o-", color=colours[name], markersize=4)
    figures.note(left, 55, 1e15, "1.5·I", colours["1.5·I"], ha="right")
    figures.note(left, 55, 1e-12, "0.5·I", colours["0.5·I"], ha="left")
    left.set(xlabel="layers L", ylabel="‖ŷ‖ / ‖x‖")
    for name in NETWORKS:
        if name != "1.5·I":
            right.semilogy(DEPTHS, error[name], "--" if name == "0.5·I, ReLU" else "-", color=colours[name])
    right.set(xlabel="layers L", ylabel="‖δ[1]‖ / ‖δ[L]‖", ylim=(1e-35, 1e3), xlim=(0, 100))
    for name, lift in (("tanh, LeCun", 9), ("ReLU, He", -7), ("ReLU, LeCun", 0)):
        figures.at_end(right, DEPTHS, error[name], name, colours[name], lift)
    figures.at_end(right, DEPTHS, error["0.5·I"], "0.5·I with and\nwithout ReLU", colours["0.5·I"])
    figures.note(right, 57, 1e-34, "σ, LeCun", colours["σ, LeCun"])
    return figure
