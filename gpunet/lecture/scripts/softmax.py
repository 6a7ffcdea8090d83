"""Softmax gives the probability of each of three classes; it is applied to z, not to outputs.

C4: the outputs of a softmax sum to 1 and are coupled. Subtracting the largest z first does not change the
result and keeps every exponential finite, for logits of ±10⁴ too.

    ŷ_k = exp(z_k) / Σ_j exp(z_j) = exp(z_k − max z) / Σ_j exp(z_j − max z)
    L = −Σ_k y_k log ŷ_k
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, fixed, percent

TITLE = "One of three"
CLAIMS = ("C4",)
UPDATES = 150


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Classify which of three needles is in the image."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("one_of_three", examples=1500, seed=seed)
    net = gn.Network([gn.Dense(3, "softmax")], inputs=256, seed=seed, backend=backend)
    costs = descend(net, data)
    sums = net.predict(data.X_test).sum(axis=1)
    w = to_host(net.parameters[0][0])

    # The mean weight of each class on the pixels of each needle: images without straws and noise.
    bare = gn.datasets.needles("one_of_three", examples=100, straws=0, noise=0.0, seed=seed)
    needles = np.stack([bare.X[bare.y == k][0] > 0.5 for k in range(3)])
    on_needles = np.stack([w[:, needle].mean(axis=1) for needle in needles], axis=1)
    others = ~np.eye(3, dtype=bool)

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
    floor = float(-np.log(np.e / (np.e + 2.0)))
    values = {
        "accuracy on test images": net.evaluate(data.X_test, data.y_test)["accuracy"],
        "cost after training": costs[-1],
        "smallest mean weight on the own needle": float(np.diag(on_needles).min()),
        "largest mean weight on another needle": float(on_needles[others].max()),
        "largest difference of a sum from 1": float(np.abs(sums - 1.0).max()),
        "outputs for logits 10⁴, 0, −10⁴": y_extreme[0].tolist(),
        "the plain formula gives": str(naive),
        "mistake: cost after training": mistake_costs[-1],
        "mistake: lower bound of the cost": floor,
        "mistake: largest output": float(twice.predict(data.X_test).max()),
    }
    shown = {"w": w.reshape(3, 16, 16), "costs": costs, "mistake_costs": mistake_costs, "floor": floor}
    return Result(values, observations(values), mistakes(values), shown)


def descend(net: gn.Network, data: gn.datasets.Dataset) -> list[float]:
    """Full-batch gradient descent on the first layer alone; the cost before each update, and after the last."""
    costs = []
    for _ in range(UPDATES):
        J, gradients = net.gradients(data.X, data.y)
        parameters = net.parameters
        (W, b), (dW, db) = parameters[0], gradients[0]
        net.set_parameters([(W - 0.3 * dW, b - 0.3 * db), *parameters[1:]])
        costs.append(J)
    return [*costs, net.evaluate(data.X, data.y)["loss"]]


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    own, other = v["smallest mean weight on the own needle"], v["largest mean weight on another needle"]
    accuracy = percent(v["accuracy on test images"])
    return [
        Sentence(
            own > 0.0 > other,
            "On average each row of weights is positive on its own needle and negative on the two others.",
            f"The mean weight on the own needle is {fixed(own)} or more, on another {fixed(other)} or less.",
        ),
        Sentence(
            v["accuracy on test images"] > 0.95,
            f"{accuracy[:1].upper()}{accuracy[1:]} of the test images are classified correctly.",
            f"Only {accuracy} of the test images are classified correctly.",
        ),
        Sentence(
            v["outputs for logits 10⁴, 0, −10⁴"] == [1.0, 0.0, 0.0],
            "The outputs sum to 1, for logits of ±10⁴ too.",
            f"For logits of 10⁴, 0 and −10⁴ the outputs are {v['outputs for logits 10⁴, 0, −10⁴']}.",
        ),
    ]


def mistakes(v: dict[str, Any]) -> list[Sentence | str]:
    """What the mistake does."""
    right, wrong, floor = (
        v[name]
        for name in (
            "cost after training",
            "mistake: cost after training",
            "mistake: lower bound of the cost",
        )
    )
    return [
        "The notes write exp(y_k), a softmax of outputs. Outputs between 0 and 1 differ by at most 1, so "
        f"with three classes no probability exceeds e/(e + 2) = 0.58 and no cost is below {floor:.2f}.",
        Sentence(
            wrong > floor > right,
            f"After {UPDATES} updates it is {wrong:.2f}, compared with {right:.2f} for a softmax of z.",
            f"After {UPDATES} updates it is {wrong:.2f}; for a softmax of z it is {right:.2f}, which "
            "training has not brought below that bound.",
        ),
        "The minus sign of L is missing here as well; the first experiment shows the effect.",
    ]


if __name__ == "__main__":
    print(run())
