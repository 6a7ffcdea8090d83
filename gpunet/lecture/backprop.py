"""Backpropagation by hand: errors travel back through the transposed weights, and the cache does the rest.

C9: the error of the output is A[L] − Y over m; each hidden error is the next one, sent back through W
transposed, times g′. Every gradient is an error times what came in.
C10: all of it comes from the cache of the forward pass; none of its products is computed again.
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

TITLE = "Backpropagation by hand"
CLAIMS = ("C9", "C10", "C22")
Layers = list[tuple[Any, Any]]
SLIPS = {"": "right", "σ": "no (1 − σ)", "order": "W for Wᵀ"}


def forward(layers: Layers, X: Any) -> list[Any]:
    """Return the cache: A[0], A[1], …, A[L]."""
    cache = [X]
    for W, b in layers:
        cache.append(1.0 / (1.0 + np.exp(-(W @ cache[-1] + b))))
    return cache


def backward(layers: Layers, cache: list[Any], Y: Any, slip: str = "") -> tuple[Layers, list[Any], int]:
    """Gradients from the cache alone, the errors δ[1], …, δ[L] on the way, and the products it took."""
    delta = (cache[-1] - Y) / Y.shape[1]
    gradients, errors, products = [], [delta], 0
    for l in range(len(layers) - 1, -1, -1):
        gradients.append((delta @ cache[l].T, delta.sum(axis=1, keepdims=True)))
        products += 1
        if l > 0:
            W, A = layers[l][0], cache[l]
            back = W @ delta if slip == "order" and W.shape[0] == W.shape[1] else W.T @ delta
            delta = back * (A if slip == "σ" else A * (1.0 - A))
            errors.append(delta)
            products += 1
    return gradients[::-1], errors[::-1], products


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Compare gradients by hand with the library's and with central differences; train with each slip."""
    to_host = gn.get_backend(backend).to_host
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (200, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(float)  # XOR of the signs
    sizes = [gn.Dense(4, "sigmoid"), gn.Dense(4, "sigmoid"), gn.Dense(1, "sigmoid")]
    net = gn.Network(sizes, inputs=2, seed=seed, backend=backend, dtype="float64")
    layers = [(4.0 * to_host(W), 1.0 * to_host(b)) for W, b in net.parameters]  # large enough to see
    net.set_parameters(layers)

    cache = forward(layers, X.T)
    _, errors, products = backward(layers, cache, y[None])
    by_hand = {slip: flat(backward(layers, cache, y[None], slip)[0]) for slip in SLIPS}
    by_library = flat([(to_host(dW), to_host(db)) for dW, db in net.gradients(X, y)[1]])
    by_differences = differences(net, layers, X, y)
    error = {slip: distance(g, by_differences) for slip, g in by_hand.items()}
    costs = {slip: train(layers, X, y, slip) for slip in SLIPS}
    return Result(
        {
            "relative difference, by hand and by gpunet": distance(by_hand[""], by_library),
            "relative difference, by hand and numerical": error[""],
            "matrix products, forward": len(cache) - 1,
            "matrix products, backward": products,
            "slip: relative error without (1 − σ)": error["σ"],
            "slip: relative error with W for Wᵀ": error["order"],
            "cost after training": costs[""][-1],
            "slip: cost without (1 − σ)": costs["σ"][-1],
            "slip: cost with W for Wᵀ": costs["order"][-1],
        },
        f"The gradients by hand agree with gpunet's, and with central differences to {power(error[''])} of "
        f"their length. The backward pass reads the cache and takes {products} products, none of them again.",
        draw(cache, errors, by_hand, by_differences, costs),
        "Top: the cached A and the errors δ of each layer as small colour maps, each error shaped as its "
        "A. Bottom left: gradients by hand against numerical ones; the right form lies on the diagonal, "
        "the slips do not. Bottom right: cost against updates; the right form falls lowest.",
        f"The notes write the product in an order whose shapes do not fit (W[3] δ[3] would be "
        f"{layers[2][0].shape} by {errors[2].shape}). Between layers of equal width W for Wᵀ fits all the same, "
        f"and the gradient is wrong by {error['order']:.0%}. Without the (1 − σ) that they lose on the way, it is "
        f"wrong by {error['σ']:.0%}. After 2,000 updates the costs are {costs[''][-1]:.2f} (right), "
        f"{costs['order'][-1]:.2f} (W for Wᵀ: a wrong direction can still lead down) and {costs['σ'][-1]:.2f}.",
    )


def flat(layers: Layers) -> Any:
    """All numbers in one row."""
    return np.concatenate([part.ravel() for layer in layers for part in layer])


def distance(one: Any, other: Any) -> float:
    """‖one − other‖ / ‖other‖."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def differences(net: gn.Network, layers: Layers, X: Any, y: Any, step: float = 1e-5) -> Any:
    """Central differences (J(θ + h) − J(θ − h)) / 2h, one parameter after the other."""
    found = []
    for part in (part for layer in layers for part in layer):
        for k in np.ndindex(part.shape):
            J = {}
            for side in (1, -1):
                part[k] += side * step
                net.set_parameters(layers)
                J[side] = net.evaluate(X, y)["loss"]
                part[k] -= side * step
            found.append((J[1] - J[-1]) / (2 * step))
    return np.array(found)


def train(layers: Layers, X: Any, y: Any, slip: str) -> list[float]:
    """Full-batch descent with gradients by hand; the cost before each update."""
    costs = []
    for _ in range(2000):
        cache = forward(layers, X.T)
        costs.append(-float(np.log(np.where(y == 1, cache[-1], 1.0 - cache[-1])).mean()))
        gradients = backward(layers, cache, y[None], slip)[0]
        layers = [(W - 0.5 * dW, b - 0.5 * db) for (W, b), (dW, db) in zip(layers, gradients, strict=True)]
    return costs


def draw(cache: list[Any], errors: list[Any], by_hand: dict[str, Any], numerical: Any, costs: Any) -> Any:
    """Show cache and errors, gradients against each other, and training."""
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
    for slip, (colour, marker, lift) in looks.items():
        left.plot(numerical, by_hand[slip], marker, color=colour, markersize=5)
        right.plot(costs[slip], color=colour)
        figures.at_end(right, [2000], costs[slip][-1:], SLIPS[slip], colour, lift)
    left.axline((0, 0), slope=1, color=figures.GREY, linewidth=0.8, zorder=0)
    left.set(xlabel="numerical gradient", ylabel="gradient by hand")
    right.set(xlabel="updates", ylabel="cost J", xlim=(0, 2000), ylim=(0, None), xticks=[0, 1000, 2000])
    return figure
