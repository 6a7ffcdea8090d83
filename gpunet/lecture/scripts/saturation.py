"""Saturation: where |z| is large, the gradient through a sigmoid or tanh vanishes.

C11: the derivative of σ is at most ¼ and tends to 0 for large |z|; that of tanh is at most 1 and tends to 0 as
well. With its canonical loss, the derivative of the output cancels; with another loss it does not.

    σ′ = a (1 − a) ≤ ¼
    tanh′ = 1 − a² ≤ 1
    σ with L2: δ = (a − y) a (1 − a)
    σ with the logistic loss: δ = a − y
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence

TITLE = "Saturation"
CLAIMS = ("C11",)
Z = np.linspace(-8, 8, 161)
UPDATES = 1000


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Measure the gradient through 161 neurons, each at its own z; train a saturated neuron."""
    slopes = {name: slope(name, backend, seed) for name in ("sigmoid", "tanh", "relu")}
    outputs = {loss: recover(loss, backend, seed) for loss in ("logistic", "squared_error")}
    updates = {
        loss: int(np.argmax(np.array(y) > 0.5)) + 1 if max(y) > 0.5 else f"more than {UPDATES:,}"
        for loss, y in outputs.items()
    }
    far = np.abs(Z) >= 6
    values = {
        "largest gradient, sigmoid": float(slopes["sigmoid"].max()),
        "largest gradient, tanh": float(slopes["tanh"].max()),
        "largest for |z| ≥ 6, sigmoid": float(slopes["sigmoid"][far].max()),
        "largest for |z| ≥ 6, tanh": float(slopes["tanh"][far].max()),
        "largest for z ≥ 6, relu": float(slopes["relu"][Z >= 6].max()),
        "updates from z = −6 to ŷ > ½, logistic loss": updates["logistic"],
        "updates from z = −6 to ŷ > ½, L2": updates["squared_error"],
    }
    return Result(values, observations(values), shown={"Z": Z, "slopes": slopes, "outputs": outputs})


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
        x, y, optimizer=gn.GradientDescent(0.5), epochs=UPDATES, batch_size=None,
        callbacks=[lambda net, history: outputs.append(float(net.predict(x)[0, 0]))],
    )  # fmt: skip
    return outputs


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    top, far = v["largest gradient, sigmoid"], v["largest for |z| ≥ 6, sigmoid"]
    logistic, l2 = (v[f"updates from z = −6 to ŷ > ½, {loss}"] for loss in ("logistic loss", "L2"))
    return [
        Sentence(
            abs(top - 0.25) < 1e-6 and far < 0.01,
            f"The derivative of the sigmoid is ¼ at z = 0 and, where |z| ≥ 6, {far:.4f} or less.",
            f"The largest derivative of the sigmoid is {top:.4f}, and {far:.4f} where |z| ≥ 6.",
        ),
        Sentence(
            isinstance(logistic, int) and (isinstance(l2, str) or l2 > 10 * logistic),
            "A neuron that starts at z = −6 with the target 1 needs "
            f"{l2 if isinstance(l2, str) else f'{l2:,}'} updates with L2 until its output exceeds ½. With "
            f"the logistic loss, where a (1 − a) cancels, it needs {logistic}.",
            "A neuron that starts at z = −6 with the target 1 needs "
            f"{l2} updates with L2 until its output exceeds ½, and {logistic} with the logistic loss.",
        ),
    ]


if __name__ == "__main__":
    print(run())
