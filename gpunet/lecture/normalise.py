"""Normalised inputs make the valley round, and descent goes straight down.

C15: subtract the training set's mean from each feature and divide by its deviation; do the same, with the
same numbers, to the test set. A feature that is constant becomes 0, not a division by zero.

    x ← (x − μ)/σ
    α < 2/λ_max: the steepest direction limits the step in all directions
    best α = 2/(λ_min + λ_max)
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "Normalised inputs"
CLAIMS = ("C15",)
SCALES = np.array([1.0, 0.2])  # one feature spreads five times as far as the other


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Descend with and without normalising, each with the best constant step."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((300, 2)) * SCALES
    X -= X.mean(axis=0)  # with mean 0 the bias stays out of the picture: two weights are all there is
    y = X @ np.array([1.0, 6.0])
    paths, costs, steps = {}, {}, {}
    for name, standardizer in (("as it is", None), ("normalised", gn.Standardizer())):
        seen = X if standardizer is None else (X - X.mean(axis=0)) / X.std(axis=0)
        curvature = np.linalg.eigvalsh(seen.T @ seen / len(X))
        rate = 2.0 / (curvature.min() + curvature.max())  # the best constant step there is
        paths[name], costs[name] = descend(X, y, float(rate), standardizer, backend, seed)
        below = np.array(costs[name]) < 1e-4 * costs[name][0]
        steps[name] = int(np.argmax(below)) if below.any() else len(below)

    # A constant third feature, and a test set that lies elsewhere: μ and σ stay the training set's.
    constant = np.hstack([X, np.full((300, 1), 7.0)])
    net = gn.Network([gn.Dense(1)], seed=seed, backend=backend, standardizer=gn.Standardizer())
    net.fit(constant, y, optimizer=gn.GradientDescent(0.1), epochs=100, batch_size=None)
    X_test = np.hstack([X[:100] + 1.0, np.full((100, 1), 7.0)])
    y_test = X_test[:, :2] @ np.array([1.0, 6.0])
    good = net.evaluate(X_test, y_test)["loss"]
    scaler = net.standardizer
    assert scaler is not None
    deviation = np.array([*X_test.std(axis=0)[:2], 1.0])
    bare = gn.Network([gn.Dense(1)], inputs=3, backend=backend)
    bare.set_parameters(net.parameters)
    own = bare.evaluate((X_test - X_test.mean(axis=0)) / deviation, y_test)["loss"]
    return Result(
        {
            "updates to 1/10,000 of the cost, as it is": steps["as it is"],
            "updates to 1/10,000 of the cost, normalised": steps["normalised"],
            "deviation used for the constant feature": float(scaler.deviation[2]),
            "test cost with the training set's μ and σ": good,
            "test cost with the test set's own": own,
        },
        "With features of unlike spread the contours of J are a long valley. The step must suit the steep "
        f"sides, so the path swings across and creeps along: {steps['as it is']} updates. Normalised, the "
        f"contours are round, and {steps['normalised']} updates do.",
        draw(X, y, paths),
        "Two maps of the cost over two weights, with the path of descent. Left, as it is: a narrow valley, "
        "the path zigzags from side to side. Right, normalised: round contours, the path goes to the "
        "middle in a few steps.",
    )


def descend(
    X: Any, y: Any, rate: float, standardizer: gn.Standardizer | None, backend: str, seed: int
) -> tuple[Any, list[float]]:
    """Full-batch descent from a corner; the weights after each update, and the costs."""
    to_host = gn.get_backend(backend).to_host
    net = gn.Network([gn.Dense(1)], inputs=2, seed=seed, backend=backend, standardizer=standardizer)
    start = np.array([[-2.0, 0.5]])
    net.set_parameters([(start, np.zeros((1, 1)))])
    path = [start[0]]
    history = net.fit(
        X, y, optimizer=gn.GradientDescent(rate), epochs=100, batch_size=None,
        callbacks=[lambda net, history: path.append(to_host(net.parameters[0][0])[0])],
    )  # fmt: skip
    return np.array(path), history.loss


def draw(X: Any, y: Any, paths: dict[str, Any]) -> Any:
    """Draw contours of J and both paths."""
    figure, axes = figures.panels(2, height=3.5)
    for one, (name, path) in zip(axes, paths.items(), strict=True):
        seen = X if name == "as it is" else X / X.std(axis=0)
        middle = np.linalg.lstsq(seen, y, rcond=None)[0]
        reach = 1.15 * np.abs(path[0] - middle).max()
        u, v = (np.linspace(c - reach, c + reach, 120) for c in middle)
        errors = np.stack(np.meshgrid(u, v), axis=-1) @ seen.T - y
        J = 0.5 * (errors**2).mean(axis=-1)
        one.contour(u, v, J, J.max() * np.geomspace(0.002, 1, 9), colors=figures.GREY, linewidths=0.8)
        one.plot(*path.T, "o-", color=figures.RED, markersize=3.5, linewidth=1.4)
        one.plot(*middle, "*", color=figures.BLUE, markersize=13)
        one.set(title=name, xlabel="weight 1", ylabel="weight 2", aspect="equal")
    return figure
