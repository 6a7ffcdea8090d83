"""Weight decay: every update shrinks W a little, so that only weights with a consistent gradient stay large.

C21: with L2 regularisation of W, each update first multiplies the weights by 1 − αλ. Biases are not decayed.

    W ← (1 − αλ) W − α ∂J/∂W
    b ← b − α ∂J/∂b
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, bound, number

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
    values = {
        "λ": list(LAMBDAS),
        "norm of W": norms,
        f"cost on {EXAMPLES} training images": train,
        "cost on test images": test,
        "best λ on test images": LAMBDAS[int(np.argmin(test))],
        "one update: difference of W from (1 − αλ) W − α ∂J/∂W": float(
            np.abs(W2 - (W1 - RATE * 0.1 * W0)).max()
        ),
        "one update: effect of λ on b": float(np.abs(b2 - b1).max()),
    }
    shown = {"lambdas": LAMBDAS, "images": images, "training": train, "test": test}
    return Result(values, observations(values), shown=shown)


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


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    train, test, norms = (
        v[name] for name in (f"cost on {EXAMPLES} training images", "cost on test images", "norm of W")
    )
    best = test.index(min(test))
    difference, on_b = (
        v["one update: difference of W from (1 − αλ) W − α ∂J/∂W"],
        v["one update: effect of λ on b"],
    )
    return [
        Sentence(
            test[0] > 2 * train[0],
            f"{EXAMPLES} images are few for 256 weights: without decay the neuron overfits, with a cost of "
            f"{train[0]:.3f} on the training images and {test[0]:.2f} on test images.",
            f"Without decay the cost is {train[0]:.3f} on the training images and {test[0]:.2f} on test "
            "images.",
        ),
        Sentence(
            0 < best < len(test) - 1,
            f"Of these values λ = {LAMBDAS[best]:g} gives the lowest cost on test images, {test[best]:.2f}, "
            f"with weights whose norm is {norms[0] / norms[best]:.1f} times smaller. With λ = "
            f"{LAMBDAS[-1]:g} the neuron underfits: {test[-1]:.2f}.",
            f"Of these values λ = {LAMBDAS[best]:g} gives the lowest cost on test images, {test[best]:.2f}.",
        ),
        Sentence(
            difference < 1e-5 and on_b == 0.0,
            f"One update agrees with the equation to {bound(difference)}, and λ does not change b.",
            f"One update differs from the equation by {number(difference)}, and λ changes b by "
            f"{number(on_b)}.",
        ),
    ]


if __name__ == "__main__":
    print(run())
