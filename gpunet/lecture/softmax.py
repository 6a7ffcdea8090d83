"""Softmax gives the probability of each of three classes; it is applied to z, not to outputs.

C4: the outputs of a softmax sum to 1 and are coupled. Subtracting the largest z first does not change the
result and keeps every exponential finite, for logits of ±10⁴ too.

    ŷ_k = exp(z_k) / Σ_j exp(z_j) = exp(z_k − max z) / Σ_j exp(z_j − max z)
    L = −Σ_k y_k log ŷ_k
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "One of three"
CLAIMS = ("C4",)
UPDATES = 150


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Classify which of three needles is in the image."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("one_of_three", examples=1500, seed=seed)
    net = gn.Network([gn.Dense(3, "softmax")], inputs=256, seed=seed, backend=backend)
    costs = descend(net, data)
    metrics = net.evaluate(data.X_test, data.y_test)
    sums = net.predict(data.X_test).sum(axis=1)
    w = to_host(net.parameters[0][0])

    # Logits of ±10⁴: the exponentials of the first form of the equation overflow.
    extreme = gn.Network([gn.Dense(3, "softmax")], inputs=1, seed=seed, backend=backend)
    extreme.set_parameters([(np.array([[1e4], [0.0], [-1e4]]), np.zeros((3, 1)))])
    y_extreme = extreme.predict(np.array([[1.0], [-1.0]], dtype="float32"))
    with np.errstate(all="ignore"):
        naive = np.exp(1e4) / (np.exp(1e4) + 1.0)

    # The mistake: a softmax of ŷ. The weights of the second layer are the identity and stay so: two softmaxes.
    twice = gn.Network([gn.Dense(3, "softmax")] * 2, inputs=256, seed=seed, backend=backend)
    twice.set_parameters([twice.parameters[0], (np.eye(3), np.zeros((3, 1)))])
    mistake_costs = descend(twice, data)
    floor = -np.log(np.e / (np.e + 2.0))

    return Result(
        {
            "accuracy on test images": metrics["accuracy"],
            "cost after training": costs[-1],
            "largest difference of a sum from 1": float(np.abs(sums - 1.0).max()),
            "outputs for logits 10⁴, 0, −10⁴": y_extreme[0].tolist(),
            "the plain formula gives": str(naive),
            "mistake: cost after training": mistake_costs[-1],
            "mistake: lower bound of the cost": float(floor),
            "mistake: largest output": float(twice.predict(data.X_test).max()),
        },
        "Each row of weights is positive on its own needle and negative on the two others. The outputs sum "
        f"to 1; {metrics['accuracy']:.1%} of the test images are classified correctly.",
        draw(w.reshape(3, 16, 16), costs, mistake_costs, float(floor)),
        "Three images of weights, each with one clear line: upright, flat, slanting. Below, the cost "
        "against updates: softmax of z falls towards 0; softmax of y stays above a dashed line at 0.55.",
        "The notes write exp(y_k), a softmax of outputs. Outputs between 0 and 1 differ by at most 1, so "
        f"with three classes no probability exceeds e/(e + 2) = 0.58 and no cost is below {floor:.2f}: "
        f"{mistake_costs[-1]:.2f} after {UPDATES} updates, compared with {costs[-1]:.2f} for softmax of z. "
        "The minus sign of L is missing here as well; the first experiment shows the effect.",
    )


def descend(net: gn.Network, data: gn.datasets.Dataset) -> list[float]:
    """Full-batch gradient descent on the first layer alone; the cost before each update."""
    costs = []
    for _ in range(UPDATES):
        J, gradients = net.gradients(data.X, data.y)
        parameters = net.parameters
        (W, b), (dW, db) = parameters[0], gradients[0]
        net.set_parameters([(W - 0.3 * dW, b - 0.3 * db), *parameters[1:]])
        costs.append(J)
    return costs


def draw(w: Any, costs: list[float], mistake_costs: list[float], floor: float) -> Any:
    """Show the weights of each class, and the cost with and without the mistake."""
    figure = figures.blank(4.8)
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.25))
    for k, title in enumerate(("upright", "flat", "slanting")):
        axes = figure.add_subplot(grid[0, k])
        figures.image(axes, w[k], signed=True, limit=float(np.abs(w).max()))
        axes.set_title(title, loc="center")
    axes = figure.add_subplot(grid[1, :])
    axes.plot(costs, color=figures.BLUE)
    axes.plot(mistake_costs, color=figures.RED)
    axes.axhline(floor, color=figures.GREY, linestyle="--", linewidth=1.2)
    figures.at_end(axes, [UPDATES], costs[-1:], "softmax of z", figures.BLUE)
    figures.at_end(axes, [UPDATES], mistake_costs[-1:], "of y (mistake)", figures.RED)
    figures.note(
        axes, UPDATES, floor - 0.02, "lower bound with the mistake", figures.GREY, ha="right", va="top"
    )
    axes.set(xlabel="updates (full batch)", ylabel="cost J", ylim=(0, None), xlim=(0, UPDATES))
    return figure
