"""With a constant learning rate, stochastic gradient descent does not converge.

C18: with the full batch the weights converge to the minimum. With one example per update they come near it
quickly and then fluctuate, in proportion to √(α/B); a batch of B reduces the fluctuation, a falling learning
rate ends it.
C19: each update uses one batch.

    E[∇L(i)] = ∇J, but ∇L(i) ≠ 0 at the minimum of J
    distance from the minimum ∝ √(α/B)
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

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
    distance = {
        name: float(np.linalg.norm(path[-150:] - best, axis=1).mean()) for name, path in paths.items()
    }
    return Result(
        {f"mean distance from the minimum, last 150 updates, {name}": distance[name] for name in SETTINGS},
        "All paths begin alike. The full batch converges to the minimum. With one example per update the "
        f"mean distance stays at {distance['one example']:.2f}, with a batch of 20 at "
        f"{distance['batch of 20']:.2f}: a ratio of {distance['one example'] / distance['batch of 20']:.1f}, "
        "where √20 = 4.5. With a falling learning rate the distance for one example decreases too.",
        draw(X, y, best, paths),
        "Three contour plots of the cost over two weights with the paths of 300 updates. One example per "
        "update: a wide irregular path around the minimum. Batches of 20: a narrower one. Full batch: a "
        "smooth line that ends at the minimum.",
    )


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


def draw(X: Any, y: Any, best: Any, paths: dict[str, Any]) -> Any:
    """Draw three paths on the contours of J."""
    figure, axes = figures.panels(3, height=3.0)
    u, v = np.linspace(-1.3, 3.2, 100), np.linspace(-2.2, 2.2, 100)
    J = 0.5 * ((np.stack(np.meshgrid(u, v), axis=-1) @ X.T - y) ** 2).mean(axis=-1)
    for one, name in zip(axes, SETTINGS, strict=False):
        one.contour(u, v, J, J.min() + np.geomspace(0.02, 10, 9), colors=figures.GREY, linewidths=0.7)
        one.plot(*paths[name].T, color=figures.RED, linewidth=1.0)
        one.plot(*best, "*", color=figures.BLUE, markersize=12)
        one.set(title=name, xlabel="weight 1", aspect="equal", xticks=[-1, 1, 3], yticks=[-2, 0, 2])
    axes[0].set_ylabel("weight 2")
    for one in axes[1:]:
        one.set_yticklabels([])
    return figure
