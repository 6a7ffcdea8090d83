"""A neuron for real values: L2 is sensitive to outliers, L1 is not, and ReLU is never negative.

C5: for real targets the output is the identity or ReLU, with the L1 or L2 loss. L2 estimates the mean, which
a single outlier can change; L1 estimates the median. A ReLU output cannot be negative.

    L1: Σ |ŷ − y|,  ∂L/∂ŷ = sign(ŷ − y)
    L2: ½ Σ (ŷ − y)²,  ∂L/∂ŷ = ŷ − y
    ReLU: ŷ = max(z, 0) ≥ 0
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "Regression: L1, L2 and ReLU"
CLAIMS = ("C5",)
SLOPE, OUTLIERS = 1.5, 12


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Fit lines to points with outliers, and a ReLU output to targets below 0."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (100, 1))
    y = SLOPE * x + 0.3 * rng.standard_normal((100, 1))
    outlying = np.argsort(x[:, 0])[-30:][rng.permutation(30)[:OUTLIERS]]
    y_outlying = y.copy()
    y_outlying[outlying] -= 10.0

    slopes, lines = {}, {}
    grid = np.array([[-2.0], [2.0]])
    for name, loss in (("L1", "absolute_error"), ("L2", "squared_error")):
        net = fit("identity", loss, x, y_outlying, backend=backend, seed=seed)
        lines[name] = net.predict(grid)[:, 0]
        slopes[name] = float((lines[name][1] - lines[name][0]) / 4)

    # ReLU: gpunet refuses negative targets. Targets clipped at 0 can be learned; the negative values are lost.
    try:
        fit("relu", "squared_error", x, y, backend=backend, seed=seed)
        message = "no error"
    except ValueError as error:
        message = str(error)
    relu = fit("relu", "squared_error", x, np.maximum(y, 0.0), backend=backend, seed=seed)
    identity = fit("identity", "squared_error", x, y, backend=backend, seed=seed)
    below = y[:, 0] < 0
    errors = [float(np.abs(net.predict(x) - y)[below].mean()) for net in (identity, relu)]

    return Result(
        {
            "true slope": SLOPE,
            "slope with L1": slopes["L1"],
            "slope with L2": slopes["L2"],
            "outliers among 100 points": OUTLIERS,
            "smallest output of ReLU": float(relu.predict(x).min()),
            "mean error below 0, identity": errors[0],
            "mean error below 0, ReLU": errors[1],
            "ReLU with targets below 0": message,
        },
        f"{OUTLIERS} outliers among 100 points change the slope with L2 from {SLOPE} to {slopes['L2']:.2f}; "
        f"with L1 it is {slopes['L1']:.2f}. A ReLU output cannot be below 0, so gpunet refuses negative "
        "targets with an error.",
        draw(x, y, y_outlying, outlying, lines, relu),
        "Left: a rising cloud of points with a group of outliers far below; the L1 line runs through the "
        "cloud, the L2 line is tilted down by the outliers. Right: points of a line that crosses 0; the "
        "ReLU output follows it above 0 and is 0 where the targets are negative.",
    )


def fit(activation: str, loss: str, x: Any, y: Any, *, backend: str, seed: int) -> gn.Network:
    """Train one neuron with a falling learning rate: the gradient of L1 does not shrink near the minimum."""
    # A given initial slope: a ReLU whose z is negative for all examples has no gradient.
    start = gn.Constant(0.5)
    net = gn.Network([gn.Dense(1, activation, start)], loss, seed=seed, backend=backend)
    rate = gn.InverseTime(0.3, half_life=50)
    net.fit(x, y, optimizer=gn.GradientDescent(rate), epochs=400, batch_size=None)
    return net


def draw(x: Any, y: Any, y_outlying: Any, outlying: Any, lines: dict[str, Any], relu: gn.Network) -> Any:
    """Draw the two lines, and the ReLU output."""
    figure, (left, right) = figures.panels(2, height=3.4)
    good = np.setdiff1d(np.arange(len(x)), outlying)
    left.plot(x[good], y[good], "o", color=figures.GREY, markersize=3.5, alpha=0.6)
    left.plot(x[outlying], y_outlying[outlying], "x", color=figures.BLACK, markersize=6)
    figures.note(left, 0.35, y_outlying[outlying].min() + 0.6, "outliers", ha="right")
    for name, colour in (("L1", figures.BLUE), ("L2", figures.RED)):
        left.plot([-2, 2], lines[name], color=colour)
        figures.at_end(left, [2], lines[name][1:], name, colour)
    left.set(xlabel="x", ylabel="y")
    right.axhspan(-4, 0, color=figures.GREY, alpha=0.15, linewidth=0)
    right.plot(x, y, "o", color=figures.GREY, markersize=3.5, alpha=0.6)
    grid = np.linspace(-2, 2, 101)[:, None]
    right.plot(grid, relu.predict(grid), color=figures.BLUE)
    figures.note(right, -1.9, 0.35, "ReLU output", figures.BLUE)
    figures.note(right, 1.95, -3.6, "ReLU output never here", figures.BLACK, ha="right")
    right.set(xlabel="x", ylim=(-4, 4))
    return figure
