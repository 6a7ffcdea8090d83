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
from gpunet.lecture import figures
from gpunet.lecture.result import Result

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
    correlation = np.corrcoef(w.ravel(), needle.ravel())[0, 1]
    without = without_minus(data, backend, seed)

    return Result(
        {
            "numbers in one image's column": data.X.shape[1],
            "accuracy on test images": metrics["accuracy"],
            "cost on test images": metrics["loss"],
            "correlation of weights and needle": float(correlation),
            "mean weight on the needle": float(w[needle > 0.5].mean()),
            "mean weight elsewhere": float(w[needle == 0].mean()),
            "difference, images or columns": float(difference),
            "mistake: accuracy without the minus": without["accuracy"],
            "mistake: cost without the minus": without["loss"],
        },
        f"The neuron classifies {metrics['accuracy']:.1%} of the test images correctly. It has learned the "
        "position of the needle: its weights are positive along the needle and slightly negative around it.",
        draw(data, w, needle),
        "Four images. A haystack with a needle and one without, hard to distinguish; the neuron's 256 "
        "weights as an image, with a clear upright line; the needle alone, the same line at the same "
        "position.",
        "The minus sign of L is missing in the notes. Gradient descent on that L maximises the true cost: "
        f"after 100 full-batch updates it has risen from about 0.7 to {without['loss']:.0f}, and the "
        f"accuracy on the test images is {without['accuracy']:.0%}, no better than chance.",
    )


def without_minus(data: gn.datasets.Dataset, backend: str, seed: int) -> dict[str, float]:
    """Gradient descent on L as in the notes, which is −1 times the true L."""
    neuron = gn.Network([gn.Dense(1, "sigmoid")], inputs=data.X.shape[1], seed=seed, backend=backend)
    for _ in range(100):
        _, [(dW, db)] = neuron.gradients(data.X, data.y)
        [(W, b)] = neuron.parameters
        neuron.set_parameters([(W + 0.5 * dW, b + 0.5 * db)])  # − α · (−∇J)
    return neuron.evaluate(data.X_test, data.y_test)


def draw(data: gn.datasets.Dataset, w: Any, needle: Any) -> Any:
    """Show two images, the weights and the needle."""
    figure, axes = figures.panels(4, height=2.3)
    for k, (target, title) in enumerate([(1, "with a needle"), (0, "without")]):
        figures.image(axes[k], data.X_test[data.y_test == target][3].reshape(w.shape), limit=1.0)
        axes[k].set_title(title)
    figures.image(axes[2], w, signed=True)
    axes[2].set_title("learned weights")
    axes[2].set_xlabel("purple < 0 < orange")
    figures.image(axes[3], needle, limit=1.0)
    axes[3].set_title("the needle")
    return figure
