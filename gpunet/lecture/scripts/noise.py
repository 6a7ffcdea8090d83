"""With a constant learning rate, stochastic gradient descent does not converge.

C18: with the full batch the weights converge to the minimum. With one example per update they come near it
quickly and then fluctuate, in proportion to √(α/B); a batch of B reduces the fluctuation, a falling learning
rate lets it die out.
C19: each update uses one batch.

    E[∇L(i)] = ∇J, but ∇L(i) ≠ 0 at the minimum of J
    distance from the minimum ∝ √(α/B)
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, number

TITLE = "Gradient noise"
CLAIMS = ("C18", "C19")
M, UPDATES = 200, 300
TRUE = np.array([2.0, -1.0])
SETTINGS: dict[str, tuple[int | None, Any]] = {
    "one example": (1, 0.1),
    "batch of 20": (20, 0.1),
    "full batch": (None, 0.1),
    "one example, falling rate": (1, gn.InverseTime(0.1, half_life=40)),
}


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Record two weights over 300 updates."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((M, 2))
    X -= X.mean(axis=0)
    y = X @ TRUE + rng.standard_normal(M)
    y -= y.mean()
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    paths = {
        name: descend(X, y, size, rate, backend=backend, seed=seed) for name, (size, rate) in SETTINGS.items()
    }
    values = {
        f"mean distance at the end, {name}": float(np.linalg.norm(path[-150:] - best, axis=1).mean())
        for name, path in paths.items()
    }
    return Result(values, observations(values), shown={"X": X, "y": y, "best": best, "paths": paths})


def descend(X: Any, y: Any, size: int | None, rate: Any, *, backend: str, seed: int) -> Any:
    """Gradient descent on batches drawn at random; the weights after each update."""
    to_host = gn.get_backend(backend).to_host
    net = gn.Network([gn.Dense(1)], inputs=2, seed=seed, backend=backend)
    net.set_parameters([(np.array([[-1.0, 1.5]]), np.zeros((1, 1)))])
    path = [to_host(net.parameters[0][0])[0]]
    rng = np.random.default_rng(seed)
    for t in range(UPDATES):
        batch = rng.choice(M, size or M, replace=False)
        _, [(dW, db)] = net.gradients(X[batch], y[batch])
        [(W, b)] = net.parameters
        alpha = rate(t, UPDATES) if callable(rate) else rate
        net.set_parameters([(W - alpha * dW, b - alpha * db)])
        path.append(to_host(net.parameters[0][0])[0])
    return np.array(path)


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    one, twenty, full, falling = (v[f"mean distance at the end, {name}"] for name in SETTINGS)
    return [
        Sentence(
            full < 0.01 * twenty,
            "With the full batch the weights converge to the minimum: their mean distance over the last 150 updates "
            f"is {number(full, 1)}.",
            f"With the full batch the mean distance from the minimum is {number(full)}: {UPDATES} updates "
            "are too few.",
        ),
        Sentence(
            one > 2 * twenty,
            f"With one example per update it stays at {one:.2f}, with a batch of 20 at {twenty:.2f}: a "
            f"ratio of {one / twenty:.1f}, where √20 = 4.5 is expected.",
            f"With one example per update it is {one:.2f}, with a batch of 20 {twenty:.2f}: a ratio of "
            f"{one / twenty:.1f}, where √20 = 4.5 is expected.",
        ),
        Sentence(
            falling < one,
            f"With a falling learning rate it is {falling:.2f} for one example.",
            f"With a falling learning rate it is {falling:.2f} for one example, which is no improvement.",
        ),
    ]


if __name__ == "__main__":
    print(run())
