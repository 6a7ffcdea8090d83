"""Momentum: in a moving average of gradients, oscillating components cancel and constant ones add up.

C20: v is a moving average of the gradients, and the weights follow v. Most libraries leave out the factor
(1 − β): their learning rate is this one times (1 − β). gpunet keeps it, as the lecture does.

    v ← β v + (1 − β) ∇J
    W ← W − α v
    other libraries: v ← β v + ∇J, with α (1 − β) as their learning rate
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result, power

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
    return Result(
        {
            f"distance after {UPDATES} updates, plain": length[0],
            f"distance after {UPDATES} updates, momentum": length[1],
            "difference, gpunet and NumPy": float(np.abs(momentum - this_form).max()),
            "difference of the two forms, in NumPy": float(np.abs(this_form - other_form).max()),
            "mistake: distance after 30 updates, α without (1 − β)": length[2],
        },
        f"After {UPDATES} updates the distance from the minimum is {length[0]:.1g} without and "
        f"{length[1]:.1g} with momentum. Along the ellipses the averaged gradients agree and add up; across, "
        "they cancel, so the learning rate may be larger.",
        draw(plain, momentum),
        "Left: long ellipses with two paths; without momentum the path zigzags across them, with momentum "
        "it follows them in a few wide turns. Right: distance from the minimum against updates on a "
        "logarithmic scale; momentum falls faster.",
        "Not in the notes, but common: α of this form with the equation without (1 − β) makes every update "
        "1/(1 − β) = 10 times as large. Here it diverges: after 30 updates the distance from the minimum is "
        f"{power(length[2])}.",
    )


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


def draw(plain: Any, momentum: Any) -> Any:
    """Draw both paths, and the distance from the minimum."""
    figure, (left, right) = figures.panels(2, height=3.4, widths=(1.35, 1))
    u, v = np.linspace(-3.4, 3.4, 120), np.linspace(-0.9, 0.9, 120)
    U, V = np.meshgrid(u, v)
    left.contour(
        u, v, 0.005 * U**2 + 0.5 * V**2, np.geomspace(0.001, 0.4, 8), colors=figures.GREY, linewidths=0.7
    )
    for path, colour, name in ((plain, figures.RED, "plain"), (momentum, figures.BLUE, "momentum")):
        left.plot(*path[:50].T, "o-", color=colour, markersize=3, linewidth=1.3)
        distance = np.linalg.norm(path, axis=1)
        right.semilogy(distance, color=colour)
        figures.at_end(right, [UPDATES], distance[-1:], name, colour)
    left.plot(0, 0, "*", color=figures.BLACK, markersize=12)
    left.set(title="the first 50 updates", xlabel="weight 1", ylabel="weight 2", ylim=(-0.9, 0.9))
    right.set(xlabel="updates", ylabel="distance from minimum", xlim=(0, UPDATES))
    return figure
