"""What a hidden layer looks at: nobody chose its features.

C6: the network finds out by itself which features to hand on. Each hidden neuron has a weight for every
pixel, so its weights are an image: of the strokes that it looks for, and of those that speak against them.

    A[1] = tanh(W[1] X + b[1]),  W[1] is (25, w·l)
    ŷ = softmax(W[2] A[1] + b[2])
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "What hidden layers look at"
CLAIMS = ("C6", "C1")
UNITS, MOST = 25, 30_000


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train 25 hidden neurons on handwritten digits, and show their weights as images."""
    to_host = gn.get_backend(backend).to_host
    data = pictures(seed)
    X, y = data.X[:MOST], data.y[:MOST]
    m = len(X)
    # Decay lets the weights of pixels that are never inked fade: they have no gradient (see C21).
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
            "training pictures": m,
            "hidden neurons": UNITS,
            "accuracy with hidden features": with_features,
            "accuracy from pixels alone": without,
            "smoothness before training": smoothness(before),
            "smoothness after training": smoothness(after),
        },
        f"From random dots, the weights have become strokes, edges and loops. The {UNITS} features take the "
        f"share of digits read right from {without:.1%}, for a softmax on the pixels, to "
        f"{with_features:.1%}.",
        draw(before, after),
        "Two grids of 25 small images of weights. Before training each is random dots; after training each "
        "shows smooth patches: strokes and edges of digits, orange for and purple against.",
    )


def pictures(seed: int) -> gn.datasets.Dataset:
    """MNIST where it is at hand, else the digits that come with scikit-learn."""
    try:
        return gn.datasets.mnist()
    except (FileNotFoundError, ImportError):
        return gn.datasets.digits(seed=seed)


def smoothness(images: Any) -> float:
    """Return the correlation of each weight with its neighbour to the right: 0 for random dots."""
    return float(np.corrcoef(images[:, :, :-1].ravel(), images[:, :, 1:].ravel())[0, 1])


def tiles(images: Any) -> Any:
    """Put 25 images in a square of 5 by 5, a thin white line between them."""
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
        figures.image(one, tiles(images), signed=True, limit=1.0)
        one.set_title(f"W[1] {title}")
    return figure
