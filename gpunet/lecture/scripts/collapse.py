"""Without activations, three layers compute what one layer can.

C12: with g(z) = z, the layers are matrices, and their product is a matrix. A deep network then computes the
same functions as a single layer, whatever its width.

    g(z) = z
    W = W[3] W[2] W[1]
    B = W[3] W[2] b[1] + W[3] b[2] + b[3]
    ŷ = W x + B
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, equality, number

TITLE = "Three linear layers are one"
CLAIMS = ("C12",)


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train three layers on a sine curve, with and without activations, and multiply their matrices."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (200, 1))
    y = np.sin(2 * x) + 0.5 * x
    grid = np.linspace(-3, 3, 200)[:, None]
    linear, nonlinear = (train(name, x, y, backend, seed) for name in ("identity", "tanh"))
    one, one_nonlinear = (collapsed(net, backend) for net in (linear, nonlinear))
    lines = {
        "tanh": nonlinear.predict(grid),
        "identity": linear.predict(grid),
        "one layer": one.predict(grid),
    }

    slope, intercept = np.polyfit(x[:, 0], y[:, 0], 1)  # the best straight line there is
    values = {
        "parameters of three layers": sum(W.size + b.size for W, b in host(linear, backend)),
        "parameters of the one layer": 2,
        "difference, three layers and one": float(np.abs(lines["identity"] - lines["one layer"]).max()),
        "difference with tanh": float(np.abs(lines["tanh"] - one_nonlinear.predict(grid)).max()),
        "cost, three layers without activations": linear.evaluate(x, y)["loss"],
        "cost, best straight line": float(0.5 * np.mean((slope * x + intercept - y) ** 2)),
        "cost, three layers with tanh": nonlinear.evaluate(x, y)["loss"],
    }
    return Result(values, observations(values), shown={"x": x, "y": y, "grid": grid, "lines": lines})


def host(net: gn.Network, backend: str) -> list[tuple[Any, Any]]:
    """Weights and biases as NumPy arrays."""
    to_host = gn.get_backend(backend).to_host
    return [(to_host(W), to_host(b)) for W, b in net.parameters]


def train(activation: str, x: Any, y: Any, backend: str, seed: int) -> gn.Network:
    """Train three layers; the last one is linear in either case."""
    layers = [gn.Dense(16, activation), gn.Dense(16, activation), gn.Dense(1)]
    net = gn.Network(layers, seed=seed, backend=backend)
    net.fit(x, y, optimizer=gn.Adam(0.01), epochs=600, batch_size=None)
    return net


def collapsed(net: gn.Network, backend: str) -> gn.Network:
    """The single layer whose matrix is the product of the three."""
    (W1, b1), (W2, b2), (W3, b3) = host(net, backend)
    one = gn.Network([gn.Dense(1)], inputs=1, backend=backend)
    one.set_parameters([(W3 @ W2 @ W1, W3 @ W2 @ b1 + W3 @ b2 + b3)])
    return one


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    difference, line, tanh = (
        v[name]
        for name in (
            "difference, three layers and one",
            "cost, best straight line",
            "cost, three layers with tanh",
        )
    )
    return [
        Sentence(
            difference < 1e-4,
            f"Without activations, {v['parameters of three layers']} parameters give a straight line: the "
            f"same as the single layer whose matrix is their product, {equality(difference)}.",
            "Without activations, three layers and the single layer whose matrix is their product differ "
            f"by up to {number(difference)}.",
        ),
        Sentence(
            tanh < 0.2 * line,
            f"With tanh the same three layers fit the curve: their cost is {number(tanh)}, that of the best "
            f"straight line {number(line)}.",
            f"With tanh the cost of the same three layers is {number(tanh)}, that of the best straight line "
            f"{number(line)}: training has not fitted the curve.",
        ),
    ]


if __name__ == "__main__":
    print(run())
