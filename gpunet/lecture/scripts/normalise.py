"""With normalised inputs the contours of the cost are round, and gradient descent needs fewer updates.

C15: subtract the training set's mean from each feature and divide by its standard deviation; apply the same
numbers to the test set. A constant feature becomes 0, without a division by zero. σ is the standard deviation here.

    x ← (x − μ)/σ
    α < 2/λ_max,  with the largest curvature λ_max
    best α = 2/(λ_min + λ_max)
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, number

TITLE = "Normalised inputs"
CLAIMS = ("C15",)
SCALES = np.array([1.0, 0.2])  # standard deviations of the two features
UPDATES = 100


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train with and without normalisation, each with the best constant learning rate."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((300, 2)) * SCALES
    X -= X.mean(axis=0)  # mean 0: the bias stays 0, and J depends on the two weights only
    y = X @ np.array([1.0, 6.0])
    paths, steps = {}, {}
    for name, standardizer in (("not normalised", None), ("normalised", gn.Standardizer())):
        inputs = X if standardizer is None else (X - X.mean(axis=0)) / X.std(axis=0)
        with_bias = np.column_stack([inputs, np.ones(len(X))])  # the bias is a weight of a feature that is 1
        curvature = np.linalg.eigvalsh(with_bias.T @ with_bias / len(X))
        rate = 2.0 / (curvature.min() + curvature.max())  # the best constant learning rate
        paths[name], costs = descend(X, y, float(rate), standardizer, backend=backend, seed=seed)
        below = np.array(costs) < 1e-4 * costs[0]
        steps[name] = int(np.argmax(below)) if below.any() else f"more than {UPDATES}"

    # A constant third feature, and a test set with another mean: μ and σ are those of the training set.
    constant = np.hstack([X, np.full((300, 1), 7.0)])
    net = gn.Network([gn.Dense(1)], seed=seed, backend=backend, standardizer=gn.Standardizer())
    net.fit(constant, y, optimizer=gn.GradientDescent(0.1), epochs=100, batch_size=None)
    X_test = np.hstack([X[:100] + 1.0, np.full((100, 1), 7.0)])
    y_test = X_test[:, :2] @ np.array([1.0, 6.0])
    fitted = net.standardizer
    assert fitted is not None
    deviation = np.array([*X_test.std(axis=0)[:2], 1.0])
    plain = gn.Network([gn.Dense(1)], inputs=3, backend=backend)
    plain.set_parameters(net.parameters)
    own = plain.evaluate((X_test - X_test.mean(axis=0)) / deviation, y_test)["loss"]
    values = {
        "updates to 1/10,000 of the cost, not normalised": steps["not normalised"],
        "updates to 1/10,000 of the cost, normalised": steps["normalised"],
        "deviation used for the constant feature": float(fitted.deviation[2]),
        "test cost with the training set's μ and σ": net.evaluate(X_test, y_test)["loss"],
        "test cost with the test set's own": own,
    }
    return Result(values, observations(values), shown={"X": X, "y": y, "paths": paths})


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
        X, y, optimizer=gn.GradientDescent(rate), epochs=UPDATES, batch_size=None,
        callbacks=[lambda net, history: path.append(to_host(net.parameters[0][0])[0])],
    )  # fmt: skip
    return np.array(path), history.loss


def observations(v: dict[str, Any]) -> list[Sentence | str]:
    """What the values show."""
    narrow, round_ = (
        v[f"updates to 1/10,000 of the cost, {name}"] for name in ("not normalised", "normalised")
    )
    training, own = v["test cost with the training set's μ and σ"], v["test cost with the test set's own"]
    return [
        "With features of different standard deviation the contours of J are narrow ellipses, and the "
        "largest curvature limits the learning rate.",
        Sentence(
            isinstance(round_, int) and (isinstance(narrow, str) or narrow > 3 * round_),
            "The path oscillates across the ellipses and advances slowly along them: the cost falls to "
            f"1/10,000 in {narrow} updates. Normalised, the contours are round: {round_} updates.",
            f"The cost falls to 1/10,000 in {narrow} updates, and with normalised inputs in {round_}.",
        ),
        Sentence(
            training < 1e-3 * own,
            "On test data with another mean, the training set's μ and σ give a cost of "
            f"{number(training, 1)}, the test set's own {number(own)}.",
            f"On test data with another mean, the training set's μ and σ give a cost of {number(training)}, "
            f"the test set's own {number(own)}: no clear difference.",
        ),
    ]


if __name__ == "__main__":
    print(run())
