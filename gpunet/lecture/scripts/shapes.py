"""Every layer is one equation, and the shapes of its terms match.

C6: a layer multiplies by its weights, adds its bias and applies its activation. W[l] has one row per neuron
of layer l and one column per neuron of the layer before.

    Z[l] = W[l] A[l−1] + b[l]
    A[l] = g[l](Z[l]),  A[0] = X
    W[l] is (n[l], n[l−1]),  b[l] is (n[l], 1),  Z[l] and A[l] are (n[l], m)
"""

from itertools import pairwise
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, equality, number

TITLE = "Layers and their shapes"
CLAIMS = ("C6",)


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Evaluate the equation in NumPy, and compare with the network."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("one_of_three", examples=40, test_examples=1, size=(8, 8), seed=seed)
    layers = [gn.Dense(32, "tanh"), gn.Dense(16, "tanh"), gn.Dense(3, "softmax")]
    net = gn.Network(layers, inputs=64, seed=seed, backend=backend)

    A = data.X.T  # columns are examples: (n[0], m)
    shapes = [A.shape]
    for layer, (W, b) in zip(layers, net.parameters, strict=True):
        Z = to_host(W) @ A + to_host(b)
        A = np.tanh(Z) if layer.activation == "tanh" else np.exp(Z) / np.exp(Z).sum(axis=0)
        shapes.append(Z.shape)
    difference = float(np.abs(A.T - net.predict(data.X)).max())

    _, gradients = net.gradients(data.X, data.y)
    match = all(
        dW.shape == W.shape and db.shape == b.shape
        for (dW, db), (W, b) in zip(gradients, net.parameters, strict=True)
    )
    sizes = [shape[0] for shape in shapes]
    values = {
        "n[0], n[1], n[2], n[3]": sizes,
        "columns of every Z[l] and A[l]": sorted({shape[1] for shape in shapes}),
        "parameters": sum(n * (before + 1) for before, n in pairwise(sizes)),
        "difference, in NumPy and by the network": difference,
        "each gradient has the shape of its parameter": "yes" if match else "no",
    }
    return Result(values, observations(values), shown={"sizes": sizes, "m": 40})


def observations(v: dict[str, Any]) -> list[Sentence | str]:
    """What the values show."""
    difference = v["difference, in NumPy and by the network"]
    return [
        "The number of columns of W[l] is the number of rows of A[l−1]. Only Z and A depend on the number "
        "of examples m, so a layer has the same number of parameters for one image as for a million.",
        Sentence(
            difference < 1e-4,
            f"The equation in NumPy and the network give the same outputs, {equality(difference)}.",
            f"The outputs of the equation in NumPy and of the network differ by up to {number(difference)}.",
        ),
    ]


if __name__ == "__main__":
    print(run())
