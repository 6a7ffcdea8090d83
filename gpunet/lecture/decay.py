"""Weight decay: W shrinks a little with every update, unless the data speak against it.

C21: L2 on W makes each update first shrink the weights by 1 − αλ. Biases are left alone.

    W ← (1 − αλ) W − α ∂J/∂W
    b ← b − α ∂J/∂b
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "Weight decay"
CLAIMS = ("C21",)
RATE = 0.1
LAMBDAS = (0.0, 0.01, 0.1, 1.0)
FEW = 80


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Learn the needle from only 80 noisy pictures, with more and more decay."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("one", examples=FEW, test_examples=2000, straws=30, noise=0.5, seed=seed)
    images, norms, train, test = [], [], [], []
    for decay in LAMBDAS:
        net = gn.Network([gn.Dense(1, "sigmoid")], seed=seed, backend=backend)
        rule = gn.GradientDescent(RATE, weight_decay=decay)
        net.fit(data.X, data.y, optimizer=rule, epochs=800, batch_size=None)
        W = to_host(net.parameters[0][0])
        images.append(W.reshape(data.image_shape))
        norms.append(float(np.linalg.norm(W)))
        train.append(net.evaluate(data.X, data.y)["loss"])
        test.append(net.evaluate(data.X_test, data.y_test)["loss"])

    # One update from the same start, with and without: the difference is −αλW, and 0 for b.
    (W0, _), (W1, b1), (W2, b2) = (one_update(data, rule, backend, seed) for rule in (None, 0.0, 0.1))
    best = int(np.argmin(test))
    return Result(
        {
            "λ": list(LAMBDAS),
            "length of W": norms,
            f"cost on {FEW} training pictures": train,
            "cost on test pictures": test,
            "best λ on test pictures": LAMBDAS[best],
            "one update: distance of W from (1 − αλ) W − α ∂J/∂W": float(
                np.abs(W2 - (W1 - RATE * 0.1 * W0)).max()
            ),
            "one update: effect of λ on b": float(np.abs(b2 - b1).max()),
        },
        f"{FEW} pictures are few for 256 weights: without decay the neuron learns their straws by heart "
        f"(cost {train[0]:.3f} on them, {test[0]:.2f} on new ones). With λ = {LAMBDAS[best]:g} W is "
        f"{norms[0] / norms[best]:.1f} times shorter, the neuron less sure of itself, and the test cost "
        f"{test[best]:.2f}. Too much decay leaves it nothing to say.",
        draw(images, train, test),
        "Top: the weights as images for four values of λ; without decay the needle stands among many "
        "strong dots, with more decay all of them fade, to almost nothing. Bottom: cost against λ; "
        "training cost rises steadily, test cost falls first and rises again.",
    )


def one_update(data: gn.datasets.Dataset, decay: float | None, backend: str, seed: int) -> tuple[Any, Any]:
    """W and b after one update, from b = 1; None for the start itself."""
    to_host = gn.get_backend(backend).to_host
    net = gn.Network([gn.Dense(1, "sigmoid")], inputs=256, seed=seed, backend=backend)
    net.set_parameters([(net.parameters[0][0], np.ones((1, 1)))])
    if decay is not None:
        rule = gn.GradientDescent(RATE, weight_decay=decay)
        net.fit(data.X, data.y, optimizer=rule, epochs=1, batch_size=None)
    W, b = net.parameters[0]
    return to_host(W), to_host(b)


def draw(images: list[Any], train: list[float], test: list[float]) -> Any:
    """Show the weights for each λ, and the costs."""
    figure = figures.blank(4.6)
    grid = figure.add_gridspec(2, len(LAMBDAS), height_ratios=(1, 1.3))
    for k, (decay, weights) in enumerate(zip(LAMBDAS, images, strict=True)):
        axes = figure.add_subplot(grid[0, k])
        figures.image(axes, weights, signed=True, limit=0.8 * np.abs(images[0]).max())
        axes.set_title(f"λ = {decay:g}", loc="center")
    axes = figure.add_subplot(grid[1, :])
    places = range(len(LAMBDAS))
    for costs, name, colour in ((test, "test", figures.RED), (train, "training", figures.BLUE)):
        axes.plot(places, costs, "o-", color=colour)
        figures.at_end(axes, places, costs, name, colour, 6 if name == "test" else -6)
    axes.set(xticks=places, xlabel="λ", ylabel="cost J", ylim=(0, None), xlim=(-0.5, 3.5))
    axes.set_xticklabels([f"{decay:g}" for decay in LAMBDAS])
    return figure
