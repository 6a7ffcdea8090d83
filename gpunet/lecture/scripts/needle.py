"""One neuron detects a needle in a haystack, and its weights become an image of the needle.

C1: an image of width w, length l and b channels becomes one column of w·l·b numbers; m images become X.
C2: logistic regression is a neuron: a linear function followed by an activation.

    X is (w·l·b, m)
    ŷ = σ(w x + b),  σ(z) = 1 / (1 + e^{−z})
    L = −[ y log ŷ + (1 − y) log(1 − ŷ) ]
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, fixed, percent

TITLE = "A needle in a haystack"
CLAIMS = ("C1", "C2")


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train one neuron on images with and without a needle."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("one", examples=4000, seed=seed)

    neuron = gn.Network([gn.Dense(1, "sigmoid")], loss="logistic", seed=seed, backend=backend)
    neuron.fit(data.X, data.y, optimizer=gn.GradientDescent(0.5), epochs=30, batch_size=100)
    metrics = neuron.evaluate(data.X_test, data.y_test)
    w = to_host(neuron.parameters[0][0]).reshape(16, 16)

    # C1: images and the rows of numbers that they become give the same outputs.
    images = data.X_test.reshape(-1, 16, 16)
    difference = np.abs(neuron.predict(images) - neuron.predict(data.X_test)).max()

    # The needle alone: an image without straws and noise.
    bare = gn.datasets.needles("one", examples=50, straws=0, noise=0.0, seed=seed)
    needle = bare.X[bare.y == 1][0].reshape(16, 16)
    without = without_minus(data, backend, seed)
    values = {
        "numbers in one image's column": data.X.shape[1],
        "accuracy on test images": metrics["accuracy"],
        "cost on test images": metrics["loss"],
        "correlation of weights and needle": float(np.corrcoef(w.ravel(), needle.ravel())[0, 1]),
        "mean weight on the needle": float(w[needle > 0.5].mean()),
        "mean weight elsewhere": float(w[needle == 0].mean()),
        "difference, images or columns": float(difference),
        "mistake: accuracy without the minus": without["accuracy"],
        "mistake: cost without the minus": without["loss"],
    }
    shown = {
        "images": [data.X_test[data.y_test == k][3].reshape(16, 16) for k in (1, 0)],
        "w": w,
        "needle": needle,
    }
    return Result(values, observations(values), mistakes(values), shown)


def without_minus(data: gn.datasets.Dataset, backend: str, seed: int) -> dict[str, float]:
    """Gradient descent on L as in the notes, which is −1 times the true L."""
    neuron = gn.Network([gn.Dense(1, "sigmoid")], inputs=data.X.shape[1], seed=seed, backend=backend)
    for _ in range(100):
        _, [(dW, db)] = neuron.gradients(data.X, data.y)
        [(W, b)] = neuron.parameters
        neuron.set_parameters([(W + 0.5 * dW, b + 0.5 * db)])  # − α · (−∇J)
    return neuron.evaluate(data.X_test, data.y_test)


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    accuracy, on, elsewhere = (
        v[name] for name in ("accuracy on test images", "mean weight on the needle", "mean weight elsewhere")
    )
    return [
        Sentence(
            accuracy > 0.95,
            f"The neuron classifies {percent(accuracy)} of the test images correctly.",
            f"The neuron classifies only {percent(accuracy)} of the test images correctly.",
        ),
        Sentence(
            on > 0.0 > elsewhere and v["correlation of weights and needle"] > 0.7,
            "It has learned the position of the needle: on average its weights are positive on the needle "
            f"({fixed(on)}) and negative elsewhere ({fixed(elsewhere)}).",
            "It has not learned the position of the needle: the correlation of weights and needle is "
            f"{fixed(v['correlation of weights and needle'])}.",
        ),
    ]


def mistakes(v: dict[str, Any]) -> list[Sentence]:
    """What the mistake does."""
    accuracy, cost = v["mistake: accuracy without the minus"], v["mistake: cost without the minus"]
    first = (
        "The minus sign of L is missing in the notes. Gradient descent on that L maximises the true cost: "
    )
    return [
        Sentence(
            cost > 2.0 and accuracy < 0.6,
            f"{first}after 100 full-batch updates it has risen from about 0.7 to {cost:.0f}, and the "
            f"accuracy on the test images is {percent(accuracy)}; guessing gives about 50%.",
            f"{first}after 100 full-batch updates it is {cost:.2f}, and the accuracy on the test images "
            f"{percent(accuracy)}.",
        )
    ]


if __name__ == "__main__":
    print(run())
