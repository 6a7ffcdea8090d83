"""Weight decay: every update shrinks W a little, so that only weights with a consistent gradient stay large.

C21: with L2 regularisation of W, each update first multiplies the weights by 1 − αλ. Biases are not decayed.

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
EXAMPLES = 80


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train on only 80 noisy images, with increasing weight decay."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("one", examples=EXAMPLES, test_examples=2000, straws=30, noise=0.5, seed=seed)
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
            "norm of W": norms,
            f"cost on {EXAMPLES} training images": train,
            "cost on test images": test,
            "best λ on test images": LAMBDAS[best],
            "one update: difference of W from (1 − αλ) W − α ∂J/∂W": float(
                np.abs(W2 - (W1 - RATE * 0.1 * W0)).max()
            ),
            "one update: effect of λ on b": float(np.abs(b2 - b1).max()),
        },
        f"{EXAMPLES} images are few for 256 weights: without decay the neuron overfits (cost {train[0]:.3f} "
        f"on the training images, {test[0]:.2f} on test images). With λ = {LAMBDAS[best]:g} the norm of W is "
        f"{norms[0] / norms[best]:.1f} times smaller and the test cost is {test[best]:.2f}. With more decay "
        "the neuron underfits.",
        draw(images, train, test),
        "Top: the weights as images for four values of λ; without decay the needle is among many large "
        "weights, with more decay all weights shrink, to almost 0. Bottom: cost against λ; the training "
        "cost rises steadily, the test cost falls first and rises again.",
    )


def one_update(data: gn.datasets.Dataset, decay: float | None, backend: str, seed: int) -> tuple[Any, Any]:
    """W and b after one update from b = 1; None gives the initial W and b."""
    to_host = gn.get_backend(backend).to_host
    net = gn.Network([gn.Dense(1, "sigmoid")], inputs=256, seed=seed, backend=backend)
    net.set_parameters([(net.parameters[0][0], np.ones((1, 1)))])
    if decay is not None:
        rule = gn.GradientDescent(RATE, weight_decay=decay)
        net.fit(data.X, data.y, optimizer=rule, epochs=1, batch_size=None)
    W, b = net.parameters[0]
    return to_host(W), to_host(b)


def draw(images: list[Any], train: list[float], test: list[float]) -> Any:
    """Draw the weights for each λ, and the costs."""
    figure = figures.blank(4.6)
    grid = figure.add_gridspec(2, len(LAMBDAS), height_ratios=(1, 1.3))
    for k, (decay, weights) in enumerate(zip(LAMBDAS, images, strict=True)):
        axes = figure.add_subplot(grid[0, k])
        figures.image(axes, weights, signed=True, limit=0.8 * np.abs(images[0]).max())
        axes.set_title(f"λ = {decay:g}", loc="center")
    axes = figure.add_subplot(grid[1, :])
    positions = range(len(LAMBDAS))
    for costs, name, colour in ((test, "test", figures.RED), (train, "training", figures.BLUE)):
        axes.plot(positions, costs, "o-", color=colour)
        figures.at_end(axes, positions, costs, name, colour, 6 if name == "test" else -6)
    axes.set(xticks=positions, xlabel="λ", ylabel="cost J", ylim=(0, None), xlim=(-0.5, 3.5))
    axes.set_xticklabels([f"{decay:g}" for decay in LAMBDAS])
    return figure
