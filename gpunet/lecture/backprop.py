"""Backpropagation written out in NumPy: errors propagate through the transposed weights.

C9: the error of the output is (A[L] − Y)/m; the error of a hidden layer is Wᵀ times the error of the next
layer, times g′. The gradient of W is the error times the input of the layer.
C10: all of it is computed from the cache of the forward pass; none of its matrix products is repeated.
C22: the result agrees with central differences.

    δ[L] = (A[L] − Y)/m
    δ[l] = (W[l+1]ᵀ δ[l+1]) ∘ g′(Z[l]),  σ′ = a (1 − a)
    ∂J/∂W[l] = δ[l] A[l−1]ᵀ,  ∂J/∂b[l] = Σ_i δ[l](i)
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result, power

TITLE = "Backpropagation in NumPy"
CLAIMS = ("C9", "C10", "C22")
Layers = list[tuple[Any, Any]]
MISTAKES = {"": "correct", "σ": "no (1 − σ)", "order": "W for Wᵀ"}


def forward(layers: Layers, X: Any) -> list[Any]:
    """Return the cache: A[0], A[1], …, A[L]."""
    cache = [X]
    for W, b in layers:
        cache.append(1.0 / (1.0 + np.exp(-(W @ cache[-1] + b))))
    return cache


def backward(layers: Layers, cache: list[Any], Y: Any, mistake: str = "") -> tuple[Layers, list[Any], int]:
    """Gradients from the cache, the errors δ[1], …, δ[L], and the number of matrix products."""
    delta = (cache[-1] - Y) / Y.shape[1]
    gradients, errors, products = [], [delta], 0
    for l in range(len(layers) - 1, -1, -1):
        gradients.append((delta @ cache[l].T, delta.sum(axis=1, keepdims=True)))
        products += 1
        if l > 0:
            W, A = layers[l][0], cache[l]
            back = W @ delta if mistake == "order" and W.shape[0] == W.shape[1] else W.T @ delta
            delta = back * (A if mistake == "σ" else A * (1.0 - A))
            errors.append(delta)
            products += 1
    return gradients[::-1], errors[::-1], products


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Compare gradients in NumPy with the library's and with central differences; train with each mistake."""
    to_host = gn.get_backend(backend).to_host
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (200, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(float)  # XOR of the signs
    sizes = [gn.Dense(4, "sigmoid"), gn.Dense(4, "sigmoid"), gn.Dense(1, "sigmoid")]
    net = gn.Network(sizes, inputs=2, seed=seed, backend=backend, dtype="float64")
    layers = [
        (4.0 * to_host(W), 1.0 * to_host(b)) for W, b in net.parameters
    ]  # large weights make the effects visible
    net.set_parameters(layers)

    cache = forward(layers, X.T)
    _, errors, products = backward(layers, cache, y[None])
    in_numpy = {mistake: flat(backward(layers, cache, y[None], mistake)[0]) for mistake in MISTAKES}
    by_library = flat([(to_host(dW), to_host(db)) for dW, db in net.gradients(X, y)[1]])
    by_differences = differences(net, layers, X, y)
    error = {mistake: distance(g, by_differences) for mistake, g in in_numpy.items()}
    costs = {mistake: train(layers, X, y, mistake) for mistake in MISTAKES}
    return Result(
        {
            "relative difference, in NumPy and by gpunet": distance(in_numpy[""], by_library),
            "relative difference, in NumPy and numerical": error[""],
            "matrix products, forward": len(cache) - 1,
            "matrix products, backward": products,
            "mistake: relative error without (1 − σ)": error["σ"],
            "mistake: relative error with W for Wᵀ": error["order"],
            "cost after training": costs[""][-1],
            "mistake: cost without (1 − σ)": costs["σ"][-1],
            "mistake: cost with W for Wᵀ": costs["order"][-1],
        },
        "The gradients in NumPy agree with those of gpunet, and with central differences to a relative "
        f"error of {power(error[''])}. The backward pass reads the cache and computes {products} matrix "
        "products, none of them a repetition.",
        draw(cache, errors, in_numpy, by_differences, costs),
        "Top: the cached A and the errors δ of each layer as small colour maps, each error has the shape of "
        "its A. Bottom left: gradients in NumPy against numerical ones; the correct ones lie on the "
        "diagonal, those with a mistake do not. Bottom right: cost against updates; the correct one is "
        "lowest.",
        "The notes write the product in an order whose shapes do not match (W[3] δ[3] would be "
        f"{layers[2][0].shape} by {errors[2].shape}). Between layers of equal width W instead of Wᵀ does "
        f"have a matching shape, and the relative error of the gradient is {error['order']:.0%}. Without the "
        f"factor (1 − σ), which the notes lose, it is {error['σ']:.0%}. After 2,000 updates the costs are "
        f"{costs[''][-1]:.2f} (correct), {costs['order'][-1]:.2f} (W for Wᵀ: a wrong direction can still "
        f"reduce the cost) and {costs['σ'][-1]:.2f}.",
    )


def flat(layers: Layers) -> Any:
    """All parameters or gradients as one vector."""
    return np.concatenate([array.ravel() for layer in layers for array in layer])


def distance(one: Any, other: Any) -> float:
    """‖one − other‖ / ‖other‖."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def differences(net: gn.Network, layers: Layers, X: Any, y: Any, step: float = 1e-5) -> Any:
    """Central differences (J(θ + h) − J(θ − h)) / 2h, for one parameter after the other."""
    found = []
    for theta in (theta for layer in layers for theta in layer):
        for k in np.ndindex(theta.shape):
            J = {}
            for side in (1, -1):
                theta[k] += side * step
                net.set_parameters(layers)
                J[side] = net.evaluate(X, y)["loss"]
                theta[k] -= side * step
            found.append((J[1] - J[-1]) / (2 * step))
    return np.array(found)


def train(layers: Layers, X: Any, y: Any, mistake: str) -> list[float]:
    """Full-batch gradient descent in NumPy; the cost before each update."""
    costs = []
    for _ in range(2000):
        cache = forward(layers, X.T)
        costs.append(-float(np.log(np.where(y == 1, cache[-1], 1.0 - cache[-1])).mean()))
        gradients = backward(layers, cache, y[None], mistake)[0]
        layers = [(W - 0.5 * dW, b - 0.5 * db) for (W, b), (dW, db) in zip(layers, gradients, strict=True)]
    return costs


def draw(cache: list[Any], errors: list[Any], in_numpy: dict[str, Any], numerical: Any, costs: Any) -> Any:
    """Draw cache and errors, gradients against each other, and the cost of training."""
    figure = figures.blank(6.0)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.7))
    small = top.subplots(2, len(errors))
    for l, (A, delta) in enumerate(zip(cache[1:], errors, strict=True)):
        figures.image(small[0, l], A[:, :24], limit=1.0)
        figures.image(small[1, l], delta[:, :24], signed=True)
        for axes, name in ((small[0, l], "A"), (small[1, l], "δ")):
            axes.set(aspect="auto", title=f"{name}[{l + 1}], {A.shape[0]} × m")
    left, right = bottom.subplots(1, 2)
    looks = {"σ": (figures.RED, "x", 0), "order": (figures.ORANGE, "^", 8), "": (figures.BLUE, "o", -8)}
    for mistake, (colour, marker, lift) in looks.items():
        left.plot(numerical, in_numpy[mistake], marker, color=colour, markersize=5)
        right.plot(costs[mistake], color=colour)
        figures.at_end(right, [2000], costs[mistake][-1:], MISTAKES[mistake], colour, lift)
    left.axline((0, 0), slope=1, color=figures.GREY, linewidth=0.8, zorder=0)
    left.set(xlabel="numerical gradient", ylabel="gradient in NumPy")
    right.set(xlabel="updates", ylabel="cost J", xlim=(0, 2000), ylim=(0, None), xticks=[0, 1000, 2000])
    return figure
