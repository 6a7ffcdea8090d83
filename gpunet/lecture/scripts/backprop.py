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
from gpunet.lecture import Result, Sentence, bound, number, percent

TITLE = "Backpropagation in NumPy"
CLAIMS = ("C9", "C10", "C22")
Layers = list[tuple[Any, Any]]
MISTAKES = ("", "σ", "order")  # none, (1 − σ) left out, W in place of Wᵀ
UPDATES = 2000


def forward(layers: Layers, X: Any) -> list[Any]:
    """Return the cache: A[0], A[1], …, A[L]."""
    cache = [X]
    for W, b in layers:
        cache.append(0.5 + 0.5 * np.tanh(0.5 * (W @ cache[-1] + b)))  # σ, without an overflow
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
    y = (X[:, 0] * X[:, 1] < 0).astype(float)  # XOR: 1 where the signs differ
    sizes = [gn.Dense(4, "sigmoid"), gn.Dense(4, "sigmoid"), gn.Dense(1, "sigmoid")]
    net = gn.Network(sizes, inputs=2, seed=seed, backend=backend, dtype="float64")
    layers = [
        (4.0 * to_host(W), 1.0 * to_host(b)) for W, b in net.parameters
    ]  # large weights: visible effects
    net.set_parameters(layers)

    cache = forward(layers, X.T)
    _, errors, products = backward(layers, cache, y[None])
    in_numpy = {mistake: flat(backward(layers, cache, y[None], mistake)[0]) for mistake in MISTAKES}
    by_library = flat([(to_host(dW), to_host(db)) for dW, db in net.gradients(X, y)[1]])
    by_differences = differences(net, layers, X, y)
    error = {mistake: distance(g, by_differences) for mistake, g in in_numpy.items()}
    costs = {mistake: train(layers, X, y, mistake) for mistake in MISTAKES}
    values = {
        "relative difference, in NumPy and by gpunet": distance(in_numpy[""], by_library),
        "relative difference, in NumPy and numerical": error[""],
        "matrix products, forward": len(cache) - 1,
        "matrix products, backward": products,
        "mistake: relative error without (1 − σ)": error["σ"],
        "mistake: relative error with W for Wᵀ": error["order"],
        "cost before training": costs[""][0],
        "cost after training": costs[""][-1],
        "mistake: cost without (1 − σ)": costs["σ"][-1],
        "mistake: cost with W for Wᵀ": costs["order"][-1],
    }
    shown = {
        "cache": cache,
        "errors": errors,
        "in_numpy": in_numpy,
        "numerical": by_differences,
        "costs": costs,
    }
    return Result(values, observations(values), mistakes(values), shown)


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
    for _ in range(UPDATES):
        cache = forward(layers, X.T)
        W, b = layers[-1]
        z = W @ cache[-2] + b
        costs.append(
            float(np.mean(np.logaddexp(0.0, z) - y * z))
        )  # the logistic loss from z, finite for any z
        gradients = backward(layers, cache, y[None], mistake)[0]
        layers = [(W - 0.5 * dW, b - 0.5 * db) for (W, b), (dW, db) in zip(layers, gradients, strict=True)]
    return costs


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    library, numerical = (v[f"relative difference, in NumPy and {of}"] for of in ("by gpunet", "numerical"))
    forward, backward = (v[f"matrix products, {way}"] for way in ("forward", "backward"))
    return [
        Sentence(
            library < 1e-9 and numerical < 1e-6,
            f"The gradients in NumPy agree with those of gpunet to {bound(library)} of their size, and with "
            f"central differences to {bound(numerical)}.",
            f"The gradients in NumPy differ from those of gpunet by {number(library)} of their size, and "
            f"from central differences by {number(numerical)}.",
        ),
        Sentence(
            backward == 2 * forward - 1,
            f"The forward pass computes {forward} matrix products. The backward pass reads the cache and "
            f"computes {backward} others; it repeats none.",
            f"The forward pass computes {forward} matrix products, the backward pass {backward}.",
        ),
    ]


def mistakes(v: dict[str, Any]) -> list[Sentence | str]:
    """What the mistakes do."""
    order, factor = v["mistake: relative error with W for Wᵀ"], v["mistake: relative error without (1 − σ)"]
    start, right, wrong_order, wrong_factor = (
        v[name]
        for name in (
            "cost before training",
            "cost after training",
            "mistake: cost with W for Wᵀ",
            "mistake: cost without (1 − σ)",
        )
    )
    return [
        "The notes write the product in an order whose shapes do not match: W[3] is (1, 4), δ[3] is (1, m). "
        "Between layers of equal width W instead of Wᵀ does have a matching shape; the relative error of "
        f"the gradient is then {percent(order)}. Without the factor (1 − σ), which the notes lose, it is "
        f"{percent(factor)}.",
        Sentence(
            wrong_order < start,
            f"With W for Wᵀ training reduces the cost all the same, from {start:.3f} to {wrong_order:.3f} "
            f"in {UPDATES:,} updates; with the right gradient it ends at {right:.3f}, without (1 − σ) at "
            f"{wrong_factor:.3f}. So a falling cost does not show that a gradient is right; the comparison "
            "with differences does.",
            f"In {UPDATES:,} updates the cost goes from {start:.3f} to {wrong_order:.3f} with W for Wᵀ, to "
            f"{right:.3f} with the right gradient, and to {wrong_factor:.3f} without (1 − σ).",
        ),
    ]


if __name__ == "__main__":
    print(run())
