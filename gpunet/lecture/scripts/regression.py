"""A neuron for real values: L2 follows outliers, L1 hardly does, and ReLU is never negative.

C5: for real targets the output is the identity or ReLU, with the L1 or L2 loss. L2 estimates the mean, which
a single outlier can change; L1 estimates the median. A ReLU output cannot be negative.

    L1: Σ |ŷ − y|,  ∂L/∂ŷ = sign(ŷ − y)
    L2: ½ Σ (ŷ − y)²,  ∂L/∂ŷ = ŷ − y
    ReLU: ŷ = max(z, 0) ≥ 0
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, fixed

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
    values = {
        "true slope": SLOPE,
        "slope with L1": slopes["L1"],
        "slope with L2": slopes["L2"],
        "outliers among 100 points": OUTLIERS,
        "smallest output of ReLU": float(relu.predict(x).min()),
        "mean error below 0, identity": errors[0],
        "mean error below 0, ReLU": errors[1],
        "ReLU with targets below 0": message,
    }
    fine = np.linspace(-2, 2, 101)[:, None]
    shown = {
        "x": x,
        "y": y,
        "y_outlying": y_outlying,
        "outlying": outlying,
        "lines": lines,
        "relu": (fine, relu.predict(fine)),
    }
    return Result(values, observations(values), shown=shown)


def fit(activation: str, loss: str, x: Any, y: Any, *, backend: str, seed: int) -> gn.Network:
    """Train one neuron with a falling learning rate: the gradient of L1 does not shrink near the minimum."""
    # A given initial slope: a ReLU whose z is negative for all examples has no gradient.
    start = gn.Constant(0.5)
    net = gn.Network([gn.Dense(1, activation, start)], loss, seed=seed, backend=backend)
    rate = gn.InverseTime(0.3, half_life=50)
    net.fit(x, y, optimizer=gn.GradientDescent(rate), epochs=400, batch_size=None)
    return net


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    slope, l1, l2 = (fixed(v[name]) for name in ("true slope", "slope with L1", "slope with L2"))
    far, near = (abs(v[f"slope with {name}"] - v["true slope"]) for name in ("L2", "L1"))
    identity, relu = v["mean error below 0, identity"], v["mean error below 0, ReLU"]
    return [
        Sentence(
            far > 3 * near,
            f"{OUTLIERS} outliers among 100 points change the slope from {slope} to {l2} with L2, and to "
            f"{l1} with L1.",
            f"With {OUTLIERS} outliers among 100 points the slope is {l2} with L2 and {l1} with L1, where "
            f"{slope} is true: L1 is not much nearer.",
        ),
        Sentence(
            v["ReLU with targets below 0"] != "no error",
            "A ReLU output cannot be below 0, so gpunet refuses negative targets with an error.",
            "A ReLU output cannot be below 0; gpunet took negative targets all the same.",
        ),
        Sentence(
            relu > 2 * identity,
            f"Where the targets are negative its mean error is {relu:.2f}, that of the identity "
            f"{identity:.2f}.",
            f"Where the targets are negative its mean error is {relu:.2f}, not much more than that of the "
            f"identity, {identity:.2f}.",
        ),
    ]


if __name__ == "__main__":
    print(run())
