"""Every gradient is checked against central differences.

C22: in float64, for every layer, activation and loss, the gradient of backpropagation agrees with the central
difference of J in each parameter to six digits or more.

    ∂J/∂θ ≈ (J(θ + h) − J(θ − h)) / 2h,  h = 10⁻⁶
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, bound, number

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
    mistaken = {loss: distance("sigmoid", loss, backend, seed, mistake=True) for loss in LOSSES}
    worst = max(errors, key=lambda pair: errors[pair])
    values = {
        "combinations": len(errors),
        "largest relative difference": errors[worst],
        "largest with": f"{worst[0]}, {worst[1]}",
        "mistake: smallest relative difference": min(mistaken.values()),
    }
    shown = {"activations": ACTIVATIONS, "losses": list(LOSSES), "errors": errors, "mistaken": mistaken}
    return Result(values, observations(values), mistakes(values), shown)


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
    if mistake:  # without (1 − a) in the hidden layer, a factor of δ[1]: of one example ∂J/∂b[1] = δ[1]
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


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    largest, n = v["largest relative difference"], v["combinations"]
    return [
        Sentence(
            largest < 1e-6,
            f"In all {n} combinations the relative difference of the two gradients is at most "
            f"{bound(largest)}.",
            f"The relative difference of the two gradients is as large as {number(largest)}, with "
            f"{v['largest with']}.",
        )
    ]


def mistakes(v: dict[str, Any]) -> list[Sentence]:
    """What the mistake does."""
    smallest, largest = v["mistake: smallest relative difference"], v["largest relative difference"]
    first = (
        "Without the factor (1 − σ), which the notes lose, the relative difference in the hidden layer is "
    )
    return [
        Sentence(
            smallest > 1000 * largest,
            f"{first}{np.floor(smallest * 100) / 100:.2f} or more, over a thousand times as large as "
            "the largest above: the check finds it.",
            f"{first}only {number(smallest)} in one case.",
        )
    ]


if __name__ == "__main__":
    print(run())
