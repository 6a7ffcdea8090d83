"""With activations a network separates what a line cannot.

C13: XOR, a disc in a ring, and a triangle, for whose three sides three hidden neurons are enough. Without
activations the decision boundary of the same network is one straight line.

    with: ŷ = σ(W[2] tanh(W[1] x + b[1]) + b[2])
    without: ŷ = σ(W[2] (W[1] x + b[1]) + b[2])
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "XOR, a disc in a ring, a triangle"
CLAIMS = ("C13",)
SHAPES = ("XOR", "disc in a ring", "triangle")
NEURONS = {"XOR": 4, "disc in a ring": 6, "triangle": 3}


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train the same network with and without activations on each shape."""
    accuracies: dict[str, float] = {}
    maps = {}
    for shape in SHAPES:
        X, y = points(shape, 800, seed)
        X_test, y_test = points(shape, 1000, seed + 1)
        for activation in ("identity", "tanh"):
            layers = [gn.Dense(NEURONS[shape], activation), gn.Dense(1, "sigmoid")]
            net = gn.Network(layers, seed=seed, backend=backend)
            net.fit(X, y, optimizer=gn.Adam(0.05), epochs=125, batch_size=200)
            name = "without" if activation == "identity" else "with tanh"
            accuracies[f"accuracy on {shape}, {name}"] = net.evaluate(X_test, y_test)["accuracy"]
            maps[shape, name] = (X, y, net)
    worst = min(accuracies[f"accuracy on {shape}, with tanh"] for shape in SHAPES)
    best = max(accuracies[f"accuracy on {shape}, without"] for shape in SHAPES)
    return Result(
        accuracies,
        f"With tanh the accuracy on new points is at least {worst:.1%}, without activations at most "
        f"{best:.1%}. Three hidden neurons are enough for a triangle: one for each side.",
        draw(maps),
        "Six maps of a network's output over a plane: above without activations, with one straight decision "
        "boundary each, which cuts through both classes; below with tanh, where the boundary follows the "
        "cross of XOR, the disc, and the triangle.",
    )


def points(shape: str, m: int, seed: int) -> tuple[Any, Any]:
    """Draw m points of the square from −1 to 1, with a gap along the boundary between the classes."""
    rng = np.random.default_rng([seed, SHAPES.index(shape)])
    if shape == "disc in a ring":
        y = rng.integers(2, size=m)
        radius, angle = (
            np.where(y, rng.uniform(0, 0.45, m), rng.uniform(0.65, 1, m)),
            rng.uniform(0, 2 * np.pi, m),
        )
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y
    X = rng.uniform(-1, 1, (4 * m, 2))
    if shape == "XOR":
        depth = X[:, 0] * X[:, 1]
        gap = 0.03
    else:  # distance from the nearest of the three sides, positive inside
        depth = np.min([X[:, 0] + 0.7, X[:, 1] + 0.7, (0.5 - X.sum(axis=1)) / np.sqrt(2)], axis=0)
        gap = 0.06
    keep = np.flatnonzero(np.abs(depth) > gap)[:m]
    return X[keep], (depth[keep] > 0).astype(int)


def draw(maps: dict[tuple[str, str], Any]) -> Any:
    """Colour the plane by the networks' outputs, with the points on top."""
    figure, axes = figures.panels(3, 2, height=5.0)
    side = np.linspace(-1.1, 1.1, 90)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    order = [(shape, name) for name in ("without", "with tanh") for shape in SHAPES]
    for one, (shape, name) in zip(axes, order, strict=True):
        X, y, net = maps[shape, name]
        output = net.predict(plane).reshape(90, 90)
        extent = (-1.1, 1.1, -1.1, 1.1)
        one.imshow(
            output, cmap=figures.SIGNED, vmin=-0.6, vmax=1.6, origin="lower", extent=extent, aspect="auto"
        )
        one.contour(side, side, output, [0.5], colors=figures.BLACK, linewidths=1.5)
        for k, colour, marker in ((0, "#3b2a7a", "o"), (1, "#8a4500", "^")):
            one.plot(*X[y == k][:150].T, marker, color=colour, markersize=2.5)
        one.set(xticks=[], yticks=[], aspect="equal")
        if name == "without":
            one.set_title(shape, loc="center")
    axes[0].set_ylabel("without activations")
    axes[3].set_ylabel("with tanh")
    return figure
