"""One neuron finds a needle in a haystack, and its weights come to look like the needle.

C1: an image of width w, length l and b channels becomes one column of w·l·b numbers; m images become X.
C2: logistic regression is a neuron, a linear part and an activation.

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
    """Train one neuron on pictures with and without a needle."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("one", examples=4000, seed=seed)

    neuron = gn.Network([gn.Dense(1, "sigmoid")], loss="logistic", seed=seed, backend=backend)
    neuron.fit(data.X, data.y, optimizer=gn.GradientDescent(0.5), epochs=30, batch_size=100)
    right = neuron.evaluate(data.X_test, data.y_test)
    w = to_host(neuron.parameters[0][0]).reshape(16, 16)

    # C1: the neuron does not care whether it gets images or the rows of numbers they become.
    images = data.X_test.reshape(-1, 16, 16)
    as_images = np.abs(neuron.predict(images) - neuron.predict(data.X_test)).max()

    # The needle alone: a picture without straws and noise.
    bare = gn.datasets.needles("one", examples=50, straws=0, noise=0.0, seed=seed)
    needle = bare.X[bare.y == 1][0].reshape(16, 16)
    alike = np.corrcoef(w.ravel(), needle.ravel())[0, 1]
    lost = without_minus(data, backend, seed)

    return Result(
        {
            "numbers in one image's column": data.X.shape[1],
            "accuracy on test pictures": right["accuracy"],
            "cost on test pictures": right["loss"],
            "correlation of weights and needle": float(alike),
            "mean weight on the needle": float(w[needle > 0.5].mean()),
            "mean weight elsewhere": float(w[needle == 0].mean()),
            "difference, images or columns": float(as_images),
            "slip: accuracy without the minus": lost["accuracy"],
            "slip: cost without the minus": lost["loss"],
        },
        f"The neuron is right on {right['accuracy']:.1%} of pictures that it has not seen. Nobody told it "
        "where to look: its weights have become positive along the needle, and a little negative around it.",
        draw(data, w, needle),
        "Four images. A haystack with a needle and one without, hard to tell apart; the neuron's 256 "
        "weights as an image, with a clear upright stroke; the needle alone, the same stroke at the same "
        "place.",
        "The notes lose the minus of L. Then to descend is to seek the worst answer: after 100 full-batch "
        f"updates the true cost has risen from about 0.7 to {lost['loss']:.0f}, and the neuron is right on "
        f"{lost['accuracy']:.0%} of the test pictures, no better than a coin.",
    )


def without_minus(data: gn.datasets.Dataset, backend: str, seed: int) -> dict[str, float]:
    """Descend on the notes' L, which is the true one times −1."""
    neuron = gn.Network([gn.Dense(1, "sigmoid")], inputs=data.X.shape[1], seed=seed, backend=backend)
    for _ in range(100):
        _, [(dW, db)] = neuron.gradients(data.X, data.y)
        [(W, b)] = neuron.parameters
        neuron.set_parameters([(W + 0.5 * dW, b + 0.5 * db)])  # − α · (−∇J)
    return neuron.evaluate(data.X_test, data.y_test)


def draw(data: gn.datasets.Dataset, w: Any, needle: Any) -> Any:
    """Show two pictures, the weights and the needle."""
    figure, axes = figures.panels(4, height=2.3)
    for k, (there, title) in enumerate([(1, "with a needle"), (0, "without")]):
        figures.image(axes[k], data.X_test[data.y_test == there][3].reshape(w.shape), limit=1.0)
        axes[k].set_title(title)
    figures.image(axes[2], w, signed=True)
    axes[2].set_title("learned weights")
    axes[2].set_xlabel("purple < 0 < orange")
    figures.image(axes[3], needle, limit=1.0)
    axes[3].set_title("the needle")
    return figure
