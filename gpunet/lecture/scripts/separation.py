"""With activations a network separates what a line cannot.

C13: XOR, a disc in a ring, and a triangle, for whose three sides three hidden neurons are enough. Without
activations the decision boundary of the same network is one straight line.

    with: ŷ = σ(W[2] tanh(W[1] x + b[1]) + b[2])
    without: ŷ = σ(W[2] (W[1] x + b[1]) + b[2])
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, at_least, at_most, percent

TITLE = "XOR, a disc in a ring, a triangle"
CLAIMS = ("C13",)
SHAPES = ("XOR", "disc in a ring", "triangle")
NEURONS = {"XOR": 4, "disc in a ring": 6, "triangle": 3}
STARTS = 5


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train the same network with and without activations on each shape."""
    values: dict[str, Any] = {}
    maps = {}
    side = np.linspace(-1.1, 1.1, 90)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    for shape in SHAPES:
        X, y = points(shape, 600, seed)
        X_test, y_test = points(shape, 1000, seed + 1)
        for name, activation in (("without", "identity"), ("with tanh", "tanh")):
            # With tanh, descent can end in a local minimum: of five starts, the one with the lowest cost.
            starts = range(STARTS * seed, STARTS * (seed + 1) if activation == "tanh" else STARTS * seed + 1)
            nets = [train(shape, activation, X, y, backend, start) for start in starts]
            net = min(nets, key=lambda net: net.evaluate(X, y)["loss"])
            values[f"accuracy on {shape}, {name}"] = net.evaluate(X_test, y_test)["accuracy"]
            maps[shape, name] = (X, y, net.predict(plane).reshape(90, 90))
    return Result(values, observations(values), shown={"side": side, "maps": maps})


def train(shape: str, activation: str, X: Any, y: Any, backend: str, seed: int) -> gn.Network:
    """Train one hidden layer with as many neurons as the shape needs."""
    layers = [gn.Dense(NEURONS[shape], activation), gn.Dense(1, "sigmoid")]
    net = gn.Network(layers, seed=seed, backend=backend)
    net.fit(X, y, optimizer=gn.Adam(0.05), epochs=150, batch_size=200)
    return net


def points(shape: str, m: int, seed: int) -> tuple[Any, Any]:
    """Draw m points of the square from −1 to 1, with a gap along the boundary between the classes."""
    rng = np.random.default_rng([seed, SHAPES.index(shape)])
    if shape == "disc in a ring":
        y = rng.integers(2, size=m)
        radius = np.where(y, rng.uniform(0, 0.45, m), rng.uniform(0.65, 1, m))
        angle = rng.uniform(0, 2 * np.pi, m)
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y
    X = rng.uniform(-1, 1, (4 * m, 2))
    if shape == "XOR":
        depth = -X[:, 0] * X[:, 1]  # positive where the signs differ
        gap = 0.03
    else:  # distance from the nearest of the three sides, positive inside
        depth = np.min([X[:, 0] + 0.7, X[:, 1] + 0.7, (0.5 - X.sum(axis=1)) / np.sqrt(2)], axis=0)
        gap = 0.06
    keep = np.flatnonzero(np.abs(depth) > gap)[:m]
    return X[keep], (depth[keep] > 0).astype(int)


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    worst = min(v[f"accuracy on {shape}, with tanh"] for shape in SHAPES)
    best = max(v[f"accuracy on {shape}, without"] for shape in SHAPES)
    triangle = v["accuracy on triangle, with tanh"]
    return [
        Sentence(
            worst > 0.95 > 0.8 > best,
            f"With tanh the accuracy on new points is {at_least(worst)}, without activations "
            f"{at_most(best)}.",
            f"With tanh the accuracy on new points is {at_least(worst)} and without activations "
            f"{at_most(best)}: not every network has learned its shape.",
        ),
        Sentence(
            triangle > 0.95,
            f"Three hidden neurons, one for each side, are enough for the triangle: {percent(triangle)} of "
            "the new points are on the right side.",
            f"For the triangle, training {STARTS} times has not found the three sides: {percent(triangle)} "
            "of the new points are classified correctly.",
        ),
    ]


if __name__ == "__main__":
    print(run())
