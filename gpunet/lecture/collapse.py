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
from gpunet.lecture import figures
from gpunet.lecture.result import Result

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

    slope, intercept = np.polyfit(x[:, 0], y[:, 0], 1)  # the best straight line there is
    best = float(0.5 * np.mean((slope * x + intercept - y) ** 2))
    count = sum(W.size + b.size for W, b in host(linear, backend))
    return Result(
        {
            "parameters of three layers": count,
            "parameters of the one layer": 2,
            "difference, three layers and one": float(np.abs(linear.predict(grid) - one.predict(grid)).max()),
            "difference with tanh": float(
                np.abs(nonlinear.predict(grid) - one_nonlinear.predict(grid)).max()
            ),
            "cost, three layers without activations": linear.evaluate(x, y)["loss"],
            "cost, best straight line": best,
            "cost, three layers with tanh": nonlinear.evaluate(x, y)["loss"],
        },
        f"Without activations, {count} parameters give a straight line: up to rounding the same as the "
        "single layer whose matrix is their product. With tanh the same three layers fit the curve.",
        draw(x, y, {"tanh": nonlinear, "identity": linear, "one layer": one}),
        "Left: points on a wavy curve; the output of three layers without activations is a straight line, "
        "that of the same three layers with tanh follows the curve. Right: outputs of the three linear "
        "layers against those of the one layer: all on the diagonal.",
    )


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


def draw(x: Any, y: Any, nets: dict[str, gn.Network]) -> Any:
    """Draw the learned functions, and three linear layers against one."""
    grid = np.linspace(-3, 3, 200)[:, None]
    figure, (left, right) = figures.panels(2, height=3.5, widths=(1.4, 1))
    left.plot(x, y, "o", color=figures.GREY, markersize=3, alpha=0.5)
    left.plot(grid, nets["tanh"].predict(grid), color=figures.BLUE)
    left.plot(grid, nets["identity"].predict(grid), color=figures.RED)
    figures.note(left, -3, 2.0, "with tanh", figures.BLUE)
    figures.note(left, -3, 1.6, "without activations", figures.RED)
    left.set(xlabel="x", ylabel="y", ylim=(-1.7, 2.3))
    right.plot(
        nets["one layer"].predict(grid)[::10], nets["identity"].predict(grid)[::10], "o", color=figures.RED
    )
    right.axline((0, 0), slope=1, color=figures.GREY, linewidth=0.8, zorder=0)
    right.set(xlabel="one layer, W x + B", ylabel="three layers")
    return figure
