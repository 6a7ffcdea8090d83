"""Saturation: where |z| is large, a sigmoid or tanh lets no gradient through.

C11: the derivative of σ is at most ¼ and tends to 0 for large |z|; that of tanh is at most 1 and does the
same. A loss that is made for its output cancels the factor; another one does not.

    σ′ = a (1 − a) ≤ ¼
    tanh′ = 1 − a² ≤ 1
    σ with L2: δ = (a − y) a (1 − a);  σ with the logistic loss: δ = a − y
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "Saturation"
CLAIMS = ("C11",)
Z = np.linspace(-8, 8, 161)


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Measure the gradient that passes 161 neurons, each at its own z; start a neuron far off."""
    slopes = {name: slope(name, backend, seed) for name in ("sigmoid", "tanh", "relu")}
    costs = {loss: recover(loss, backend, seed) for loss in ("logistic", "squared_error")}
    late = {loss: int(np.argmax(np.array(y) > 0.5)) if max(y) > 0.5 else 0 for loss, y in costs.items()}
    far = np.abs(Z) >= 6
    waited = late["squared_error"]
    return Result(
        {
            "largest gradient, sigmoid": float(slopes["sigmoid"].max()),
            "largest gradient, tanh": float(slopes["tanh"].max()),
            "largest for |z| ≥ 6, sigmoid": float(slopes["sigmoid"][far].max()),
            "largest for |z| ≥ 6, tanh": float(slopes["tanh"][far].max()),
            "largest for z ≥ 6, relu": float(slopes["relu"][Z >= 6].max()),
            "updates from z = −6 to ŷ > ½, logistic loss": late["logistic"],
            "updates from z = −6 to ŷ > ½, L2": waited if waited else "more than 1,000",
        },
        "The sigmoid never passes more than a quarter of a gradient, and at |z| = 6 only "
        f"{slopes['sigmoid'][20]:.4f} of it. A neuron that starts at z = −6 and should say 1 hardly moves "
        "under L2; under the logistic loss, whose derivative cancels a (1 − a), it has changed its mind "
        f"after {late['logistic']} updates.",
        draw(slopes, costs),
        "Left: gradient passed on against z; sigmoid is a low hump with its top at a quarter, tanh a hump "
        "up to 1, both flat at zero for large z, ReLU a step to 1. Right: output against updates from a "
        "wrong, saturated start; the logistic loss climbs at once, L2 stays near 0 for long.",
    )


def slope(activation: str, backend: str, seed: int) -> Any:
    """Return g′(z) as backpropagation sees it: ∂J/∂b[1] when an error of 1 comes back to each neuron."""
    to_host = gn.get_backend(backend).to_host
    n = len(Z)
    net = gn.Network([gn.Dense(n, activation), gn.Dense(1)], inputs=1, seed=seed, backend=backend)
    net.set_parameters([(np.zeros((n, 1)), Z[:, None]), (np.ones((1, n)), np.zeros((1, 1)))])
    x = np.zeros((1, 1), dtype="float32")
    y = net.predict(x) - 1.0  # so that δ[2] = ŷ − y = 1
    return to_host(net.gradients(x, y)[1][0][1])[:, 0]


def recover(loss: str, backend: str, seed: int) -> list[float]:
    """Start at z = −6 with the target 1; the output before each of 1,000 updates."""
    net = gn.Network([gn.Dense(1, "sigmoid")], loss, inputs=1, seed=seed, backend=backend)
    net.set_parameters([(np.zeros((1, 1)), np.full((1, 1), -6.0))])
    x, y, outputs = np.zeros((1, 1), dtype="float32"), np.ones((1, 1), dtype="float32"), []
    net.fit(
        x, y, optimizer=gn.GradientDescent(0.5), epochs=1000, batch_size=None,
        callbacks=[lambda net, history: outputs.append(float(net.predict(x)[0, 0]))],
    )  # fmt: skip
    return outputs


def draw(slopes: dict[str, Any], outputs: dict[str, list[float]]) -> Any:
    """Draw g′ against z, and how long a saturated neuron takes."""
    figure, (left, right) = figures.panels(2, height=3.3)
    looks = {
        "relu": (figures.GREY, "ReLU"),
        "tanh": (figures.RED, "tanh"),
        "sigmoid": (figures.BLUE, "sigmoid"),
    }
    for name, (colour, _) in looks.items():
        left.plot(Z, slopes[name], color=colour)
    left.axhline(0.25, color=figures.BLUE, linestyle="--", linewidth=1)
    figures.note(left, -8, 0.27, "¼", figures.BLUE, va="bottom")
    figures.note(left, 2.2, 0.13, "sigmoid", figures.BLUE)
    figures.note(left, -1.2, 0.8, "tanh", figures.RED, ha="right")
    figures.note(left, 4, 0.93, "ReLU", figures.GREY, va="top")
    left.set(xlabel="z", ylabel="gradient passed on, g′(z)", xticks=[-8, -4, 0, 4, 8])
    for loss, colour in (("logistic", figures.GREEN), ("squared_error", figures.PURPLE)):
        right.plot(outputs[loss], color=colour)
    figures.note(right, 120, 0.88, "logistic loss", figures.GREEN)
    figures.note(right, 780, 0.2, "L2", figures.PURPLE, ha="right")
    right.set(xlabel="updates from z = −6", ylabel="output ŷ (target 1)", ylim=(0, 1.02), xlim=(0, 1000))
    return figure
