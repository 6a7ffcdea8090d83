"""With normalised inputs the contours of the cost are round, and gradient descent needs fewer updates.

C15: subtract the training set's mean from each feature and divide by its standard deviation; apply the same
numbers to the test set. A constant feature becomes 0, without a division by zero.

    x ← (x − μ)/σ
    α < 2/λ_max: the direction of largest curvature limits the learning rate
    best α = 2/(λ_min + λ_max)
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "Normalised inputs"
CLAIMS = ("C15",)
SCALES = np.array([1.0, 0.2])  # standard deviations of the two features


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train with and without normalisation, each with the best constant learning rate."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((300, 2)) * SCALES
    X -= X.mean(axis=0)  # mean 0: the bias stays 0, and J depends on the two weights only
    y = X @ np.array([1.0, 6.0])
    paths, costs, steps = {}, {}, {}
    for name, standardizer in (("not normalised", None), ("normalised", gn.Standardizer())):
        inputs = X if standardizer is None else (X - X.mean(axis=0)) / X.std(axis=0)
        curvature = np.linalg.eigvalsh(inputs.T @ inputs / len(X))
        rate = 2.0 / (curvature.min() + curvature.max())  # the best constant learning rate
        paths[name], costs[name] = descend(X, y, float(rate), standardizer, backend=backend, seed=seed)
        below = np.array(costs[name]) < 1e-4 * costs[name][0]
        steps[name] = int(np.argmax(below)) if below.any() else len(below)

    # A constant third feature, and a test set with another mean: μ and σ are those of the training set.
    constant = np.hstack([X, np.full((300, 1), 7.0)])
    net = gn.Network([gn.Dense(1)], seed=seed, backend=backend, standardizer=gn.Standardizer())
    net.fit(constant, y, optimizer=gn.GradientDescent(0.1), epochs=100, batch_size=None)
    X_test = np.hstack([X[:100] + 1.0, np.full((100, 1), 7.0)])
    y_test = X_test[:, :2] @ np.array([1.0, 6.0])
    with_training_set = net.evaluate(X_test, y_test)["loss"]
    fitted = net.standardizer
    assert fitted is not None
    deviation = np.array([*X_test.std(axis=0)[:2], 1.0])
    plain = gn.Network([gn.Dense(1)], inputs=3, backend=backend)
    plain.set_parameters(net.parameters)
    with_test_set = plain.evaluate((X_test - X_test.mean(axis=0)) / deviation, y_test)["loss"]
    return Result(
        {
            "updates to 1/10,000 of the cost, not normalised": steps["not normalised"],
            "updates to 1/10,000 of the cost, normalised": steps["normalised"],
            "deviation used for the constant feature": float(fitted.deviation[2]),
            "test cost with the training set's μ and σ": with_training_set,
            "test cost with the test set's own": with_test_set,
        },
        "With features of different standard deviation the contours of J are narrow ellipses. The largest "
        "curvature limits the learning rate, so the path oscillates across the ellipses and advances slowly "
        f"along them: {steps['not normalised']} updates. Normalised, the contours are round: "
        f"{steps['normalised']} updates.",
        draw(X, y, paths),
        "Two contour plots of the cost over two weights, with the path of gradient descent. Left, not "
        "normalised: narrow ellipses, the path zigzags. Right, normalised: circles, the path reaches the "
        "minimum in a few updates.",
    )


def descend(
    X: Any, y: Any, rate: float, standardizer: gn.Standardizer | None, *, backend: str, seed: int
) -> tuple[Any, list[float]]:
    """Full-batch gradient descent; the weights after each update, and the costs."""
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
        inputs = X if name == "not normalised" else X / X.std(axis=0)
        minimum = np.linalg.lstsq(inputs, y, rcond=None)[0]
        reach = 1.15 * np.abs(path[0] - minimum).max()
        u, v = (np.linspace(c - reach, c + reach, 120) for c in minimum)
        errors = np.stack(np.meshgrid(u, v), axis=-1) @ inputs.T - y
        J = 0.5 * (errors**2).mean(axis=-1)
        one.contour(u, v, J, J.max() * np.geomspace(0.002, 1, 9), colors=figures.GREY, linewidths=0.8)
        one.plot(*path.T, "o-", color=figures.RED, markersize=3.5, linewidth=1.4)
        one.plot(*minimum, "*", color=figures.BLUE, markersize=13)
        one.set(title=name, xlabel="weight 1", ylabel="weight 2", aspect="equal")
    return figure
