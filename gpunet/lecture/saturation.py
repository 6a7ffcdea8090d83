"""Saturation: where |z| is large, the gradient through a sigmoid or tanh vanishes.

C11: the derivative of σ is at most ¼ and tends to 0 for large |z|; that of tanh is at most 1 and tends to 0 as
well. With its canonical loss, the derivative of the output cancels; with another loss it does not.

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
    """Measure the gradient through 161 neurons, each at its own z; train a saturated neuron."""
    slopes = {name: slope(name, backend, seed) for name in ("sigmoid", "tanh", "relu")}
    costs = {loss: recover(loss, backend, seed) for loss in ("logistic", "squared_error")}
    updates = {loss: int(np.argmax(np.array(y) > 0.5)) if max(y) > 0.5 else 0 for loss, y in costs.items()}
    far = np.abs(Z) >= 6
    with_l2 = updates["squared_error"]
    return Result(
        {
            "largest gradient, sigmoid": float(slopes["sigmoid"].max()),
            "largest gradient, tanh": float(slopes["tanh"].max()),
            "largest for |z| ≥ 6, sigmoid": float(slopes["sigmoid"][far].max()),
            "largest for |z| ≥ 6, tanh": float(slopes["tanh"][far].max()),
            "largest for z ≥ 6, relu": float(slopes["relu"][Z >= 6].max()),
            "updates from z = −6 to ŷ > ½, logistic loss": updates["logistic"],
            "updates from z = −6 to ŷ > ½, L2": with_l2 if with_l2 else "more than 1,000",
        },
        f"The derivative of the sigmoid is at most ¼, and at |z| = 6 only {slopes['sigmoid'][20]:.4f}. A "
        "neuron that starts at z = −6 with the target 1 hardly learns with L2. With the logistic loss, "
        f"whose derivative cancels a (1 − a), its output exceeds ½ after {updates['logistic']} updates.",
        draw(slopes, costs),
        "Left: derivative against z; sigmoid has a low peak of a quarter, tanh a peak of 1, both are zero "
        "for large |z|, ReLU is a step to 1. Right: output against updates from a saturated start with the "
        "wrong output; with the logistic loss it rises at once, with L2 it stays near 0 for long.",
    )


def slope(activation: str, backend: str, seed: int) -> Any:
    """g′(z) from backpropagation: ∂J/∂b[1] when ∂J/∂A[1] of each neuron is 1."""
    to_host = gn.get_backend(backend).to_host
    n = len(Z)
    net = gn.Network([gn.Dense(n, activation), gn.Dense(1)], inputs=1, seed=seed, backend=backend)
    net.set_parameters([(np.zeros((n, 1)), Z[:, None]), (np.ones((1, n)), np.zeros((1, 1)))])
    x = np.zeros((1, 1), dtype="float32")
    y = net.predict(x) - 1.0  # so that δ[2] = ŷ − y = 1
    return to_host(net.gradients(x, y)[1][0][1])[:, 0]


def recover(loss: str, backend: str, seed: int) -> list[float]:
    """Train from z = −6 with the target 1; the output after each of 1,000 updates."""
    net = gn.Network([gn.Dense(1, "sigmoid")], loss, inputs=1, seed=seed, backend=backend)
    net.set_parameters([(np.zeros((1, 1)), np.full((1, 1), -6.0))])
    x, y, outputs = np.zeros((1, 1), dtype="float32"), np.ones((1, 1), dtype="float32"), []
    net.fit(
        x, y, optimizer=gn.GradientDescent(0.5), epochs=1000, batch_size=None,
        callbacks=[lambda net, history: outputs.append(float(net.predict(x)[0, 0]))],
    )  # fmt: skip
    return outputs


def draw(slopes: dict[str, Any], outputs: dict[str, list[float]]) -> Any:
    """Draw g′ against z, and the output of a saturated neuron during training."""
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
    left.set(xlabel="z", ylabel="derivative g′(z)", xticks=[-8, -4, 0, 4, 8])
    for loss, colour in (("logistic", figures.GREEN), ("squared_error", figures.PURPLE)):
        right.plot(outputs[loss], color=colour)
    figures.note(right, 120, 0.88, "logistic loss", figures.GREEN)
    figures.note(right, 780, 0.2, "L2", figures.PURPLE, ha="right")
    right.set(xlabel="updates from z = −6", ylabel="output ŷ (target 1)", ylim=(0, 1.02), xlim=(0, 1000))
    return figure
