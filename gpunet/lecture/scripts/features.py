"""A hidden layer learns its features.

C6: the network learns which features to pass on. Each hidden neuron has one weight per pixel, so its weights
are an image: positive where ink activates the neuron, negative where ink inhibits it.
C1: the image is one long column x of its pixels, and a row of W[1] has as many weights.

    A[1] = tanh(W[1] X + b[1]),  W[1] is (25, w·l)
    ŷ = softmax(W[2] A[1] + b[2])
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, fixed, percent

TITLE = "Features of a hidden layer"
CLAIMS = ("C6", "C1")
UNITS = 25


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train 25 hidden neurons on handwritten digits, and take their weights as images."""
    to_host = gn.get_backend(backend).to_host
    data = load_images(seed)
    X, y = data.X[:30_000], data.y[:30_000]
    epochs = 5 if len(X) > 10_000 else 50
    # Pixels that are always 0 give no gradient; weight decay shrinks their weights (C21).
    rule = gn.GradientDescent(0.2, momentum=0.9, weight_decay=5e-3)

    net = gn.Network([gn.Dense(UNITS, "tanh"), gn.Dense(10, "softmax")], seed=seed, backend=backend)
    net.fit(X, y, optimizer=rule, epochs=epochs, batch_size=100)
    pixels = gn.Network([gn.Dense(10, "softmax")], seed=seed, backend=backend)
    pixels.fit(X, y, optimizer=rule, epochs=epochs, batch_size=100)

    start = gn.Network(net.layers, inputs=data.X.shape[1], seed=seed, backend=backend)
    height, width = data.image_shape or (1, data.X.shape[1])
    before, after = (to_host(n.parameters[0][0]).reshape(UNITS, height, width) for n in (start, net))
    values = {
        "data": data.name,
        "training images": len(X),
        "hidden neurons": UNITS,
        "accuracy with hidden features": net.evaluate(data.X_test, data.y_test)["accuracy"],
        "accuracy from pixels only": pixels.evaluate(data.X_test, data.y_test)["accuracy"],
        "smoothness before training": smoothness(before),
        "smoothness after training": smoothness(after),
    }
    return Result(values, observations(values), shown={"before": before, "after": after})


def load_images(seed: int) -> gn.datasets.Dataset:
    """MNIST if it is available, else the digits of scikit-learn."""
    try:
        return gn.datasets.mnist()
    except (FileNotFoundError, ImportError):
        return gn.datasets.digits(seed=seed)


def smoothness(images: Any) -> float:
    """Correlation of each weight with its right neighbour: about 0 for random weights."""
    return float(np.corrcoef(images[:, :, :-1].ravel(), images[:, :, 1:].ravel())[0, 1])


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    before, after = (fixed(v[f"smoothness {when} training"]) for when in ("before", "after"))
    features, pixels = (
        percent(v[name]) for name in ("accuracy with hidden features", "accuracy from pixels only")
    )
    return [
        Sentence(
            v["smoothness after training"] > v["smoothness before training"] + 0.15,
            "The random initial weights have become images with smooth areas: the correlation of "
            f"neighbouring weights has risen from {before} to {after}.",
            f"The correlation of neighbouring weights was {before} before training and is {after} after it: "
            "the images have not become much smoother.",
        ),
        Sentence(
            v["accuracy with hidden features"] > v["accuracy from pixels only"],
            f"The {UNITS} features raise the accuracy on new images from {pixels}, for a softmax on the "
            f"pixels, to {features}.",
            f"The {UNITS} features do not raise the accuracy on new images: it is {features}, and {pixels} "
            "for a softmax on the pixels.",
        ),
    ]


if __name__ == "__main__":
    print(run())
