"""Every gradient is checked against central differences.

C22: in float64, for every layer, activation and loss, the gradient of backpropagation agrees with the central
difference of J in each parameter to nearly all digits.

    ∂J/∂θ ≈ (J(θ + h) − J(θ − h)) / 2h,  h = 10⁻⁶
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result, power

TITLE = "Checking gradients"
CLAIMS = ("C22",)
STEP = 1e-6
ACTIVATIONS = (
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "silu", "gelu",
    "mish", "softmax",
)  # fmt: skip
LOSSES = {
    "logistic": "sigmoid",
    "cross_entropy": "softmax",
    "squared_error": "identity",
    "absolute_error": "tanh",
}


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Compare both for twelve activations and four losses; then with a mistake in the formula."""
    errors = {
        (activation, loss): distance(activation, loss, backend, seed)
        for activation in ACTIVATIONS
        for loss in LOSSES
    }
    mistakes = {loss: distance("sigmoid", loss, backend, seed, mistake=True) for loss in LOSSES}
    worst = max(errors, key=lambda pair: errors[pair])
    return Result(
        {
            "combinations": len(errors),
            "largest relative difference": errors[worst],
            "largest with": f"{worst[0]}, {worst[1]}",
            "mistake: smallest relative difference": min(mistakes.values()),
        },
        f"In all {len(errors)} combinations the relative difference of the two gradients is at most "
        f"{power(errors[worst])}. With a wrong formula it is larger by many orders of magnitude, so the "
        "check finds it.",
        draw(errors, mistakes),
        "Relative difference for each activation, one dot for each of four losses, on a logarithmic scale: "
        "all dots are far left, below 10⁻⁶. At the bottom the mistake, far right, near 1.",
        "Without the factor (1 − σ), which the notes lose, the relative difference in the hidden layer is "
        f"at least {min(mistakes.values()):.1f}: far more than rounding.",
    )


def distance(activation: str, loss: str, backend: str, seed: int, mistake: bool = False) -> float:
    """‖backpropagation − differences‖ / ‖differences‖ for a network 2–3–2."""
    to_host = gn.get_backend(backend).to_host
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((5, 2))
    y = np.eye(2)[rng.integers(2, size=5)] if loss != "absolute_error" else rng.uniform(-0.9, 0.9, (5, 2))
    layers = [gn.Dense(3, activation), gn.Dense(2, LOSSES[loss])]
    net = gn.Network(layers, loss, inputs=2, seed=seed, backend=backend, dtype="float64")
    parameters = [[np.array(to_host(theta)) for theta in layer] for layer in net.parameters]
    parameters[0][1] += 0.1 * rng.standard_normal((3, 1))
    net.set_parameters([tuple(layer) for layer in parameters])  # type: ignore[misc]
    by_backpropagation = [to_host(gradient) for layer in net.gradients(X, y)[1] for gradient in layer]
    if mistake:  # without (1 − a) in the hidden layer: for a single example, a factor of each row
        A = 1.0 / (1.0 + np.exp(-(parameters[0][0] @ X.T + parameters[0][1])))
        singles = [to_host(net.gradients(X[i : i + 1], y[i : i + 1])[1][0][1]) for i in range(5)]
        by_backpropagation[1] = np.mean([db / (1.0 - A[:, [i]]) for i, db in enumerate(singles)], axis=0)
        by_backpropagation = by_backpropagation[1:2]
    numerical = []
    for theta in [parameters[0][1]] if mistake else [theta for layer in parameters for theta in layer]:
        slope = np.zeros_like(theta)
        for k in np.ndindex(theta.shape):
            costs = []
            for shift in (STEP, -2.0 * STEP):
                theta[k] += shift
                net.set_parameters([tuple(layer) for layer in parameters])  # type: ignore[misc]
                costs.append(net.evaluate(X, y)["loss"])
            theta[k] += STEP
            slope[k] = (costs[0] - costs[1]) / (2.0 * STEP)
        numerical.append(slope)
    found, expected = (
        np.concatenate([array.ravel() for array in arrays]) for arrays in (by_backpropagation, numerical)
    )
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def draw(errors: dict[tuple[str, str], float], mistakes: dict[str, float]) -> Any:
    """Draw one row of dots per activation."""
    figure, [axes] = figures.panels(height=4.6)
    rows = [*ACTIVATIONS, "mistake: no (1 − σ)"]
    for place, activation in enumerate(rows):
        for (loss, _), colour in zip(LOSSES.items(), figures.COLOURS, strict=False):
            value = errors.get((activation, loss), mistakes[loss])
            axes.semilogx(
                value, place, "o", color=figures.RED if place == len(ACTIVATIONS) else colour, alpha=0.8
            )
    for place, (loss, colour) in enumerate(zip(LOSSES, figures.COLOURS, strict=False), start=4):
        figures.note(axes, 3e-6, place, "● " + loss.replace("_", " "), colour, va="center")
    axes.axvline(1e-6, color=figures.GREY, linestyle="--", linewidth=1)
    figures.note(axes, 1.3e-6, 0, "one millionth", figures.GREY, va="center")
    axes.set(yticks=range(len(rows)), xlabel="relative difference", xlim=(1e-12, 10))
    axes.set_yticklabels(rows)
    axes.invert_yaxis()
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure
