"""A hidden layer learns its features.

C6: the network learns which features to pass on. Each hidden neuron has one weight per pixel, so its weights
are an image: positive where ink activates the neuron, negative where ink inhibits it.

    A[1] = tanh(W[1] X + b[1]),  W[1] is (25, w·l)
    ŷ = softmax(W[2] A[1] + b[2])
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "Features of a hidden layer"
CLAIMS = ("C6", "C1")
UNITS, MOST = 25, 30_000


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train 25 hidden neurons on handwritten digits, and show their weights as images."""
    to_host = gn.get_backend(backend).to_host
    data = load_images(seed)
    X, y = data.X[:MOST], data.y[:MOST]
    m = len(X)
    # Pixels that are always 0 give no gradient; weight decay lets their weights go to 0 (C21).
    rule = gn.GradientDescent(0.2, momentum=0.9, weight_decay=5e-3)
    epochs = 5 * MOST // m

    net = gn.Network([gn.Dense(UNITS, "tanh"), gn.Dense(10, "softmax")], seed=seed, backend=backend)
    net.fit(X, y, optimizer=rule, epochs=epochs, batch_size=100)
    with_features = net.evaluate(data.X_test, data.y_test)["accuracy"]

    pixels = gn.Network([gn.Dense(10, "softmax")], seed=seed, backend=backend)
    pixels.fit(X, y, optimizer=rule, epochs=epochs, batch_size=100)
    without = pixels.evaluate(data.X_test, data.y_test)["accuracy"]

    start = gn.Network(net.layers, inputs=data.X.shape[1], seed=seed, backend=backend)
    height, width = data.image_shape or (1, data.X.shape[1])
    before, after = (to_host(n.parameters[0][0]).reshape(UNITS, height, width) for n in (start, net))
    return Result(
        {
            "data": data.name,
            "training images": m,
            "hidden neurons": UNITS,
            "accuracy with hidden features": with_features,
            "accuracy from pixels only": without,
            "smoothness before training": smoothness(before),
            "smoothness after training": smoothness(after),
        },
        f"The random initial weights have become strokes, edges and loops. The {UNITS} features raise the "
        f"accuracy from {without:.1%}, for a softmax on the pixels, to {with_features:.1%}.",
        draw(before, after),
        "Two grids of 25 small images of weights. Before training each is random noise; after training each "
        "shows smooth areas: strokes and edges of digits, positive in orange and negative in purple.",
    )


def load_images(seed: int) -> gn.datasets.Dataset:
    """MNIST if it is available, else the digits of scikit-learn."""
    try:
        return gn.datasets.mnist()
    except (FileNotFoundError, ImportError):
        return gn.datasets.digits(seed=seed)


def smoothness(images: Any) -> float:
    """Correlation of each weight with its right neighbour: about 0 for random weights."""
    return float(np.corrcoef(images[:, :, :-1].ravel(), images[:, :, 1:].ravel())[0, 1])


def mosaic(images: Any) -> Any:
    """Arrange 25 images in a square of 5 by 5, with a thin white line between them."""
    k, height, width = images.shape
    side = int(k**0.5)
    scale = np.abs(images).max(axis=(1, 2), keepdims=True)
    framed = np.pad(images / scale, ((0, 0), (0, 1), (0, 1)))
    grid = framed.reshape(side, side, height + 1, width + 1).swapaxes(1, 2)
    return grid.reshape(side * (height + 1), side * (width + 1))[:-1, :-1]


def draw(before: Any, after: Any) -> Any:
    """Show both grids."""
    figure, axes = figures.panels(2, height=3.9)
    for one, images, title in zip(axes, (before, after), ("before training", "after training"), strict=True):
        figures.image(one, mosaic(images), signed=True, limit=1.0)
        one.set_title(f"W[1] {title}")
    return figure
