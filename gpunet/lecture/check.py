"""Every gradient is checked against central differences.

C22: in float64, for every layer, activation and loss, the gradient of backpropagation and the slope of J
measured by moving one parameter to both sides agree to nearly all digits.

    ∂J/∂θ ≈ (J(θ + h) − J(θ − h)) / 2h,  h = 10⁻⁶
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result, power

TITLE = "Gradients, checked"
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
    """Compare both ways for twelve activations and four losses; then with an error put in."""
    errors = {
        (activation, loss): distance(activation, loss, backend, seed)
        for activation in ACTIVATIONS
        for loss in LOSSES
    }
    slips = {loss: distance("sigmoid", loss, backend, seed, slip=True) for loss in LOSSES}
    worst = max(errors, key=lambda pair: errors[pair])
    return Result(
        {
            "combinations": len(errors),
            "largest relative difference": errors[worst],
            "found with": f"{worst[0]}, {worst[1]}",
            "slip: smallest relative difference": min(slips.values()),
        },
        f"In all {len(errors)} combinations both gradients agree to {power(errors[worst])} of their length "
        "or better. A wrong formula stands out by many powers of ten: this is how one is found.",
        draw(errors, slips),
        "Relative difference for each activation, one dot for each of four losses, on a logarithmic scale: "
        "all dots lie far left, below a millionth. At the bottom the slip, far right, near 1.",
        "Where the notes lose the factor (1 − σ), the relative difference in the hidden layer is at least "
        f"{min(slips.values()):.1f}: no rounding, and plain to see.",
    )


def distance(activation: str, loss: str, backend: str, seed: int, slip: bool = False) -> float:
    """Return ‖backpropagation − differences‖ / ‖differences‖ for a network 2–3–2."""
    to_host = gn.get_backend(backend).to_host
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((5, 2))
    y = np.eye(2)[rng.integers(2, size=5)] if loss != "absolute_error" else rng.uniform(-0.9, 0.9, (5, 2))
    layers = [gn.Dense(3, activation), gn.Dense(2, LOSSES[loss])]
    net = gn.Network(layers, loss, inputs=2, seed=seed, backend=backend, dtype="float64")
    parameters = [[np.array(to_host(part)) for part in layer] for layer in net.parameters]
    parameters[0][1] += 0.1 * rng.standard_normal((3, 1))
    net.set_parameters([tuple(layer) for layer in parameters])  # type: ignore[misc]
    by_backpropagation = [to_host(part) for layer in net.gradients(X, y)[1] for part in layer]
    if slip:  # the hidden layer's errors lack (1 − a): for one example at a time that is a factor of each row
        A = 1.0 / (1.0 + np.exp(-(parameters[0][0] @ X.T + parameters[0][1])))
        singles = [to_host(net.gradients(X[i : i + 1], y[i : i + 1])[1][0][1]) for i in range(5)]
        by_backpropagation[1] = np.mean([db / (1.0 - A[:, [i]]) for i, db in enumerate(singles)], axis=0)
        by_backpropagation = by_backpropagation[1:2]
    numerical = []
    for part in [parameters[0][1]] if slip else [part for layer in parameters for part in layer]:
        slope = np.zeros_like(part)
        for k in np.ndindex(part.shape):
            costs = []
            for shift in (STEP, -2.0 * STEP):
                part[k] += shift
                net.set_parameters([tuple(layer) for layer in parameters])  # type: ignore[misc]
                costs.append(net.evaluate(X, y)["loss"])
            part[k] += STEP
            slope[k] = (costs[0] - costs[1]) / (2.0 * STEP)
        numerical.append(slope)
    ours, theirs = (
        np.concatenate([part.ravel() for part in parts]) for parts in (by_backpropagation, numerical)
    )
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def draw(errors: dict[tuple[str, str], float], slips: dict[str, float]) -> Any:
    """Draw one row of dots for each activation."""
    figure, [axes] = figures.panels(height=4.6)
    rows = [*ACTIVATIONS, "slip: no (1 − σ)"]
    for place, activation in enumerate(rows):
        for (loss, _), colour in zip(LOSSES.items(), figures.COLOURS, strict=False):
            value = errors.get((activation, loss), slips[loss])
            axes.semilogx(
                value, place, "o", color=figures.RED if place == len(ACTIVATIONS) else colour, alpha=0.8
            )
    for place, (loss, colour) in enumerate(zip(LOSSES, figures.COLOURS, strict=False), start=4):
        figures.note(axes, 3e-6, place, "● " + loss.replace("_", " "), colour, va="center")
    axes.axvline(1e-6, color=figures.GREY, linestyle="--", linewidth=1)
    figures.note(axes, 1.3e-6, 0, "one in a million", figures.GREY, va="center")
    axes.set(yticks=range(len(rows)), xlabel="relative difference", xlim=(1e-12, 10))
    axes.set_yticklabels(rows)
    axes.invert_yaxis()
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure
