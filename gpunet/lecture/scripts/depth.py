"""Each layer multiplies the signal and the error, so with depth both can vanish or explode.

C14: the error of the first layer is that of the last one times the Jacobians of the layers between them. With
weights 1.5·I and g(z) = z it grows as 1.5^(L−1), with 0.5·I it vanishes. σ′ ≤ ¼ makes it worse.
C16: with the variance 2/n[l−1] (He), ReLU leaves signal and error about as large as they are.

    W[l] = c·I, b = 0, g(z) = z:  ŷ = c^L x
    δ[l] = (W[l+1]ᵀ δ[l+1]) ∘ g′(Z[l])
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, number, power

TITLE = "Vanishing and exploding gradients"
CLAIMS = ("C14", "C16")
DEPTHS = (1, 2, 4, 7, 12, 20, 30, 45, 60, 80, 100)
N = 64


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
    values = {
        "layers": list(DEPTHS),
        "ŷ / x with 1.5·I": signal["1.5·I"],
        "largest relative difference from 1.5^L": float(
            np.max(np.abs(np.array(signal["1.5·I"]) / expected - 1.0))
        ),
        "ŷ / x with 0.5·I": signal["0.5·I"],
        "δ[1] / δ[L] for 12 layers, σ, LeCun": error["σ, LeCun"][DEPTHS.index(12)],
        **{f"δ[1] / δ[L] for 100 layers, {name}": error[name][-1] for name in NETWORKS},
    }
    return Result(
        values, observations(values), mistakes(values), {"depths": DEPTHS, "signal": signal, "error": error}
    )


def through(L: int, activation: str, start: Any, backend: str, seed: int) -> tuple[float, float]:
    """‖output‖ / ‖input‖ and ‖δ[1]‖ / ‖δ[L]‖ of L layers; one of 1·I more has their output."""
    to_host = gn.get_backend(backend).to_host
    layers = [gn.Dense(N, activation, start)] * L + [gn.Dense(N, "identity", scaled(1.0))]
    net = gn.Network(layers, inputs=N, seed=seed, backend=backend, dtype="float64")
    x = np.abs(np.random.default_rng(seed).standard_normal((1, N)))
    output = net.predict(x)
    # A target that differs from the output, so that the error is not 0.
    _, gradients = net.gradients(x, output - np.maximum(1.0, np.abs(output)))
    first, last = (np.linalg.norm(to_host(gradients[k][1])) for k in (0, L - 1))
    return float(np.linalg.norm(output) / np.linalg.norm(x)), float(first / last)


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    exact, signal = v["largest relative difference from 1.5^L"], power(v["ŷ / x with 1.5·I"][-1])
    sigmoid = v["δ[1] / δ[L] for 12 layers, σ, LeCun"]
    lecun, he = (v[f"δ[1] / δ[L] for 100 layers, ReLU, {start}"] for start in ("LeCun", "He"))
    return [
        Sentence(
            exact < 1e-9,
            f"A hundred layers of 1.5·I multiply the signal by 1.5^100, about {signal}.",
            f"A hundred layers of 1.5·I multiply the signal by {signal}, which is not 1.5^100.",
        ),
        Sentence(
            sigmoid < 1e-4,
            f"With sigmoids a fraction of {power(sigmoid)} of the error is left after 12 layers.",
            f"With sigmoids a fraction of {number(sigmoid)} of the error is left after 12 layers: more than "
            "expected.",
        ),
        Sentence(
            1e-3 < he < 1e3 and lecun < 1e-10,
            f"With ReLU, a hundred layers multiply the error by {number(he, 1)} with He initialisation and "
            f"by {power(lecun)} with LeCun's.",
            f"With ReLU, a hundred layers multiply the error by {power(he)} with He initialisation, which "
            f"is far from 1 in this draw of the weights, and by {power(lecun)} with LeCun's.",
        ),
    ]


def mistakes(v: dict[str, Any]) -> list[Sentence]:
    """What the mistake does."""
    relu, plain = (v[f"δ[1] / δ[L] for 100 layers, 0.5·I{more}"] for more in (", ReLU", ""))
    first = "The notes name a missing activation as the cause. With ReLU added, the error with 0.5·I "
    return [
        Sentence(
            abs(relu / plain - 1.0) < 1e-6 and relu < 1e-20,
            f"{first}vanishes too, to {power(relu)} after 100 layers, the same as without it. Adding "
            "activations does not help here; a suitable initialisation does.",
            f"{first}is multiplied by {power(relu)} after 100 layers, and by {power(plain)} without it.",
        )
    ]


if __name__ == "__main__":
    print(run())
