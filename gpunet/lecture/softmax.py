"""Softmax says which one of three it is: of z, not of what has been squashed already.

C4: the outputs of a softmax sum to 1 and are coupled. Subtracting the largest z first changes nothing on
paper and keeps every exponential finite, for logits of ±10⁴ too.

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
    """Learn which of three needles is in the picture."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("one_of_three", examples=1500, seed=seed)
    net = gn.Network([gn.Dense(3, "softmax")], inputs=256, seed=seed, backend=backend)
    costs = descend(net, data)
    right = net.evaluate(data.X_test, data.y_test)
    sums = net.predict(data.X_test).sum(axis=1)
    w = to_host(net.parameters[0][0])

    # Logits of ±10⁴: written as on the first line of the equation, they overflow.
    extreme = gn.Network([gn.Dense(3, "softmax")], inputs=1, seed=seed, backend=backend)
    extreme.set_parameters([(np.array([[1e4], [0.0], [-1e4]]), np.zeros((3, 1)))])
    y_extreme = extreme.predict(np.array([[1.0], [-1.0]], dtype="float32"))
    with np.errstate(all="ignore"):
        naive = np.exp(1e4) / (np.exp(1e4) + 1.0)

    # The slip: a softmax of ŷ. Its second layer is fixed at the identity, so that it squashes twice.
    twice = gn.Network([gn.Dense(3, "softmax")] * 2, inputs=256, seed=seed, backend=backend)
    twice.set_parameters([twice.parameters[0], (np.eye(3), np.zeros((3, 1)))])
    slip_costs = descend(twice, data)
    floor = -np.log(np.e / (np.e + 2.0))

    return Result(
        {
            "accuracy on test pictures": right["accuracy"],
            "cost after training": costs[-1],
            "largest distance of a sum from 1": float(np.abs(sums - 1.0).max()),
            "outputs for logits 10⁴, 0, −10⁴": y_extreme[0].tolist(),
            "the plain formula gives": str(naive),
            "slip: cost after training": slip_costs[-1],
            "slip: no cost below": float(floor),
            "slip: largest output": float(twice.predict(data.X_test).max()),
        },
        "Each row of weights has drawn its own needle, and avoids the two others. The outputs sum to 1; "
        f"{right['accuracy']:.1%} of the test pictures are named right.",
        draw(w.reshape(3, 16, 16), costs, slip_costs, float(floor)),
        "Three images of weights, each with one clear stroke: upright, flat, slanting. Below, the cost "
        "against updates: softmax of z falls towards 0; softmax of y stays above a dashed floor at 0.55.",
        "The notes write exp(y_k): a softmax of what is an output already. Outputs between 0 and 1 can "
        "differ by no more than 1, so three classes never get past e/(e + 2) = 0.58, and the cost never "
        f"below {floor:.2f}: {slip_costs[-1]:.2f} after {UPDATES} updates, where softmax of z has "
        f"{costs[-1]:.2f}. The minus of L is lost here as well; the needle's page shows what that does.",
    )


def descend(net: gn.Network, data: gn.datasets.Dataset) -> list[float]:
    """Full-batch descent on the first layer alone; the cost before each update."""
    costs = []
    for _ in range(UPDATES):
        J, gradients = net.gradients(data.X, data.y)
        parameters = net.parameters
        (W, b), (dW, db) = parameters[0], gradients[0]
        net.set_parameters([(W - 0.3 * dW, b - 0.3 * db), *parameters[1:]])
        costs.append(J)
    return costs


def draw(w: Any, costs: list[float], slip_costs: list[float], floor: float) -> Any:
    """Show the weights of each class, and the cost with and without the slip."""
    figure = figures.blank(4.8)
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.25))
    for k, title in enumerate(("upright", "flat", "slanting")):
        axes = figure.add_subplot(grid[0, k])
        figures.image(axes, w[k], signed=True, limit=float(np.abs(w).max()))
        axes.set_title(title, loc="center")
    axes = figure.add_subplot(grid[1, :])
    axes.plot(costs, color=figures.BLUE)
    axes.plot(slip_costs, color=figures.RED)
    axes.axhline(floor, color=figures.GREY, linestyle="--", linewidth=1.2)
    figures.at_end(axes, [UPDATES], costs[-1:], "softmax of z", figures.BLUE)
    figures.at_end(axes, [UPDATES], slip_costs[-1:], "of y (slip)", figures.RED)
    figures.note(axes, UPDATES, floor - 0.02, "no lower with the slip", figures.GREY, ha="right", va="top")
    axes.set(xlabel="updates (full batch)", ylabel="cost J", ylim=(0, None), xlim=(0, UPDATES))
    return figure
