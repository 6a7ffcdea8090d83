"""Momentum: in a moving average of gradients, oscillating components cancel and constant ones remain.

C20: the velocity v is a moving average of the gradients, and the weights follow v. Most libraries leave out the factor
(1 − β): their learning rate is this one times (1 − β). gpunet keeps it, as the lecture does.

    v ← β v + (1 − β) ∇J
    W ← W − α v
    other libraries: v ← β v + ∇J, with α (1 − β) as their learning rate
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, number, power

TITLE = "Momentum"
CLAIMS = ("C20",)
BETA, UPDATES = 0.9, 150
START = np.array([-3.0, 0.6])


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Minimise a quadratic with one small curvature, with and without momentum."""
    # Four points, so that J = ½ (w₁²/100 + w₂²): ellipses 10 times as long as wide.
    X = np.array([[0.1, 1.0], [0.1, -1.0], [-0.1, 1.0], [-0.1, -1.0]])
    plain = descend(X, gn.GradientDescent(1.9), backend, seed)
    momentum = descend(X, gn.GradientDescent(15.0, momentum=BETA), backend, seed)

    # In NumPy, in both forms; and the other form with the learning rate of this one.
    this_form = in_numpy(X, 15.0, 1.0 - BETA)
    other_form = in_numpy(X, 15.0 * (1.0 - BETA), 1.0)
    mistaken = in_numpy(X, 15.0, 1.0, updates=30)
    length = [float(np.linalg.norm(path[-1])) for path in (plain, momentum, mistaken)]
    values = {
        f"distance after {UPDATES} updates, plain": length[0],
        f"distance after {UPDATES} updates, momentum": length[1],
        "difference, gpunet and NumPy": float(np.abs(momentum - this_form).max()),
        "difference of the two forms, in NumPy": float(np.abs(this_form - other_form).max()),
        "mistake: distance after 30 updates, α without (1 − β)": length[2],
    }
    return Result(values, observations(values), mistakes(values), {"plain": plain, "momentum": momentum})


def descend(X: Any, rule: gn.GradientDescent, backend: str, seed: int) -> Any:
    """Full-batch gradient descent; the weights after each update, (updates + 1, 2)."""
    to_host = gn.get_backend(backend).to_host
    net = gn.Network([gn.Dense(1)], inputs=2, seed=seed, backend=backend)
    net.set_parameters([(START[None], np.zeros((1, 1)))])
    path = [START]
    net.fit(
        X, np.zeros(4), optimizer=rule, epochs=UPDATES, batch_size=None,
        callbacks=[lambda net, history: path.append(to_host(net.parameters[0][0])[0])],
    )  # fmt: skip
    return np.array(path)


def in_numpy(X: Any, alpha: float, factor: float, updates: int = UPDATES) -> Any:
    """``v ← β v + factor · ∇J``, ``w ← w − α v``; the weights after each update."""
    w, v, path = START, np.zeros(2), [START]
    for _ in range(updates):
        v = BETA * v + factor * (X.T @ X @ w) / len(X)
        w = w - alpha * v
        path.append(w)
    return np.array(path)


def observations(v: dict[str, Any]) -> list[Sentence | str]:
    """What the values show."""
    plain, momentum = (v[f"distance after {UPDATES} updates, {name}"] for name in ("plain", "momentum"))
    forms = v["difference of the two forms, in NumPy"]
    return [
        Sentence(
            momentum < 0.1 * plain,
            f"After {UPDATES} updates the distance from the minimum is {number(plain, 1)} without and "
            f"{number(momentum, 1)} with momentum.",
            f"After {UPDATES} updates the distance from the minimum is {number(plain, 1)} without and "
            f"{number(momentum, 1)} with momentum, which has not helped much.",
        ),
        "Along the ellipses the gradients agree and remain in the average; across, they cancel, so the learning "
        "rate may be larger.",
        Sentence(
            forms < 1e-9,
            "The two forms are the same method, with learning rates that differ by the factor 1 − β.",
            f"The two forms differ by up to {number(forms)}.",
        ),
    ]


def mistakes(v: dict[str, Any]) -> list[Sentence]:
    """What the mistake does."""
    distance = v["mistake: distance after 30 updates, α without (1 − β)"]
    first = (
        "Not in the notes, but common: α of this form with the equation without (1 − β) makes every update "
        "1/(1 − β) = 10 times as large. "
    )
    return [
        Sentence(
            distance > 1e3,
            f"{first}Here it diverges: after 30 updates the distance from the minimum is {power(distance)}.",
            f"{first}Here the distance from the minimum is then {number(distance)} after 30 updates.",
        )
    ]


if __name__ == "__main__":
    print(run())
