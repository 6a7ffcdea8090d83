"""The variance of the initial weights decides whether signals and errors survive many layers.

C16: weights are random with a variance of about 1/n[l−1], so that Z[l] is about as large as A[l−1]. ReLU sets
half of the values to 0 and needs twice the variance.

    LeCun: std √(1/n[l−1]), for sigmoid and tanh
    Glorot: variance 2/(n[l−1] + n[l])
    He: std √(2/n[l−1]), for ReLU
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "The variance of the initial weights"
CLAIMS = ("C16",)
N, LAYERS = 64, (1, 2, 4, 8, 16, 30)


def normal(deviation: Any) -> Any:
    """An initializer with this standard deviation, a function of n[l−1]."""
    return lambda rng, n_out, n_in: deviation(n_in) * rng.standard_normal((n_out, n_in))


# Activation, initializer and number of hidden layers; * marks those of the notes.
STARTS = {
    "tanh, LeCun": ("tanh", "lecun_normal", 20),
    "tanh, He*": ("tanh", "he_normal", 20),
    "tanh, value 1/n*": ("tanh", normal(lambda n: 1.0 / n), 20),
    "ReLU, He": ("relu", "he_normal", 20),
    "ReLU, LeCun": ("relu", "lecun_normal", 20),
    "ReLU, value 1/n*": ("relu", normal(lambda n: 1.0 / n), 20),
    "σ, LeCun": ("sigmoid", "lecun_normal", 3),
    "σ, √(4/n)*": ("sigmoid", normal(lambda n: (4.0 / n) ** 0.5), 3),
}


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Measure the signal in each layer, and train deep networks, with each initializer."""
    data = gn.datasets.needles(
        "one_of_three", examples=1000, test_examples=1, size=(8, 8), straws=4, noise=0.1, seed=seed
    )
    X = (data.X - data.X.mean()) / data.X.std()
    signal, cost = {}, {}
    for name, (activation, start, depth) in STARTS.items():
        hidden = gn.Dense(N, activation, start)
        # With the same seed the first layers are the same, so a shorter network gives the signal inside a longer one.
        signal[name] = [
            float(
                gn.Network([hidden] * l, inputs=N, seed=seed, backend=backend)
                .predict(X[:300])
                .std(axis=0)
                .mean()
            )
            for l in LAYERS
        ]
        net = gn.Network([*[hidden] * depth, gn.Dense(3, "softmax")], seed=seed, backend=backend)
        rule = gn.GradientDescent(0.2 if activation == "sigmoid" else 0.02)
        cost[name] = net.fit(X, data.y, optimizer=rule, epochs=10, batch_size=32).loss[-1]
    return Result(
        {
            **{f"variance of W, {name}": variance(name, backend, seed) for name in
               ("lecun_normal", "glorot_normal", "glorot_uniform", "he_normal")},
            **{f"signal after 30 layers, {name}": signal[name][-1] for name in STARTS},
            **{f"cost after training, {name}": cost[name] for name in STARTS},
        },
        "With the initializer that suits the activation, the signal is still there after 30 layers, and a "
        "network of 20 layers learns. ReLU with LeCun initialisation halves the variance in each layer and "
        f"learns slowly (cost {cost['ReLU, LeCun']:.2g}, compared with {cost['ReLU, He']:.1g} for He).",
        draw(signal, cost),
        "Left: size of the signal against layer on a logarithmic scale; tanh with LeCun and ReLU with He "
        "initialisation stay large, weights of value 1/n reduce it by a factor of a million in a few "
        "layers. Right: cost after training as bars; weights of value 1/n stay at log 3 = 1.1, the others "
        "are much lower.",
        "The notes say that the weights themselves are about 1/n: then 20 layers learn nothing, the cost "
        f"stays at {cost['tanh, value 1/n*']:.2f} = log 3. They use He initialisation for tanh, and √(4/n) "
        "for sigmoid, where the 4 is a misread 1. These variances are 2 and 4 times too large but have "
        f"little effect here: a cost of {cost['tanh, He*']:.2g} instead of {cost['tanh, LeCun']:.2g}, and of "
        f"{cost['σ, √(4/n)*']:.2g} instead of {cost['σ, LeCun']:.2g}, because tanh and sigmoid are bounded.",
    )  # fmt: skip


def variance(start: str, backend: str, seed: int) -> float:
    """Measured variance of the weights of a layer with 400 inputs and 100 neurons, times 400."""
    to_host = gn.get_backend(backend).to_host
    net = gn.Network([gn.Dense(100, "identity", start)], inputs=400, seed=seed, backend=backend)
    return float(400.0 * to_host(net.parameters[0][0]).var())


def draw(signal: dict[str, list[float]], cost: dict[str, float]) -> Any:
    """Draw the signal against depth, and the cost after training."""
    figure, (left, right) = figures.panels(2, height=3.9, widths=(1.1, 1))
    looks = {
        "tanh, LeCun": (figures.GREEN, -4),
        "ReLU, He": (figures.BLUE, 6),
        "ReLU, LeCun": (figures.ORANGE, 0),
        "tanh, value 1/n*": (figures.RED, 0),
    }
    for name, (colour, lift) in looks.items():
        sizes = np.array(signal[name])
        inside = sizes > 1e-8
        left.semilogy(np.array(LAYERS)[inside], sizes[inside], "o-", color=colour, markersize=4)
        figures.at_end(left, np.array(LAYERS)[inside], sizes[inside], name, colour, lift)
    left.set(xlabel="layer l", ylabel="standard deviation of A[l]", ylim=(1e-8, 10), xlim=(0, 30))
    names = list(STARTS)[::-1]
    colours = [figures.RED if "*" in name else figures.BLUE for name in names]
    right.barh(names, [cost[name] for name in names], color=colours, height=0.6)
    for place, name in enumerate(names):
        figures.note(right, cost[name] * 1.15, place, f"{cost[name]:.1g}", va="center", fontsize=10.5)
    right.set(xlabel="cost after training", title="* as in the notes", xscale="log", xlim=(None, 8))
    right.tick_params(axis="y", length=0)
    return figure
