"""The variance of the initial weights decides whether signals and errors survive many layers.

C16: weights are random with a variance of about 1/n[l−1], so that Z[l] is about as large as A[l−1]. ReLU sets
half of the values to 0 and needs twice the variance.

    LeCun: std √(1/n[l−1]), for sigmoid and tanh
    Glorot: variance 2/(n[l−1] + n[l])
    He: std √(2/n[l−1]), for ReLU
"""

from typing import Any

import gpunet as gn
from gpunet.lecture import Result, Sentence, number, power

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
        signal[name] = [size([hidden] * l, X[:300], backend, seed) for l in LAYERS]
        net = gn.Network([*[hidden] * depth, gn.Dense(3, "softmax")], seed=seed, backend=backend)
        rule = gn.GradientDescent(0.2 if activation == "sigmoid" else 0.02)
        cost[name] = net.fit(X, data.y, optimizer=rule, epochs=10, batch_size=32).loss[-1]
    values = {
        **{
            f"variance of W times n[l−1], {name}": variance(name, backend, seed)
            for name in ("lecun_normal", "glorot_normal", "glorot_uniform", "he_normal")
        },
        **{f"signal after 30 layers, {name}": signal[name][-1] for name in STARTS},
        **{f"cost after training, {name}": cost[name] for name in STARTS},
    }
    return Result(
        values,
        observations(values),
        mistakes(values),
        {"layers": LAYERS, "signal": signal, "cost": cost},
    )


def size(layers: list[gn.Dense], X: Any, backend: str, seed: int) -> float:
    """The standard deviation of A[l] over the examples, averaged over the neurons of the last layer.

    With the same seed the first layers are the same, so a shorter network gives the signal inside a longer one.
    """
    net = gn.Network(layers, inputs=N, seed=seed, backend=backend, dtype="float64")  # a signal may be 10⁻³⁰
    return float(net.predict(X).std(axis=0).mean())


def variance(start: str, backend: str, seed: int) -> float:
    """Measured variance of the weights of a layer with 400 inputs and 100 neurons, times 400."""
    to_host = gn.get_backend(backend).to_host
    net = gn.Network([gn.Dense(100, "identity", start)], inputs=400, seed=seed, backend=backend)
    return float(400.0 * to_host(net.parameters[0][0]).var())


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    tanh, relu, slow = (
        (v[f"signal after 30 layers, {name}"], v[f"cost after training, {name}"])
        for name in ("tanh, LeCun", "ReLU, He", "ReLU, LeCun")
    )
    return [
        Sentence(
            min(tanh[0], relu[0]) > 0.01 and max(tanh[1], relu[1]) < 0.3,
            "With the initializer that suits the activation the signal is still there after 30 layers "
            f"({number(tanh[0])} for tanh with LeCun's, {number(relu[0])} for ReLU with He's), and a "
            f"network of 20 layers learns: costs of {number(tanh[1])} and {number(relu[1])}.",
            f"After 30 layers the signal is {number(tanh[0])} for tanh with LeCun initialisation and "
            f"{number(relu[0])} for ReLU with He's; networks of 20 layers reach costs of {number(tanh[1])} "
            f"and {number(relu[1])}.",
        ),
        Sentence(
            slow[0] < 0.01 * relu[0] and slow[1] > 1.5 * relu[1],
            "LeCun initialisation halves the variance in each layer of ReLU: "
            f"a signal of {power(slow[0])}, and a cost of {number(slow[1])}.",
            f"ReLU with LeCun initialisation: a signal of {power(slow[0])}, and a cost of {number(slow[1])}.",
        ),
    ]


def mistakes(v: dict[str, Any]) -> list[Sentence]:
    """What the mistakes do."""
    value, he, lecun, four, sigmoid = (
        v[f"cost after training, {name}"]
        for name in ("tanh, value 1/n*", "tanh, He*", "tanh, LeCun", "σ, √(4/n)*", "σ, LeCun")
    )
    harm = "no harm" if he <= lecun and four <= sigmoid else "little harm"
    first = "The notes say that the weights themselves are about 1/n: "
    second = (
        "They use He initialisation for tanh, and √(4/n) for sigmoid, where the 4 is a misread 1: variances "
        f"2 and 4 times too large. The cost is then {number(he)} instead of {number(lecun)}, and "
        f"{number(four)} instead of {number(sigmoid)}"
    )
    return [
        Sentence(
            value > 1.0,
            f"{first}then 20 layers learn nothing, and the cost stays near log 3 = 1.10, at {value:.2f}.",
            f"{first}after training the cost is then {value:.2f}, where guessing gives log 3 = 1.10.",
        ),
        Sentence(
            max(he, four) < 0.5,
            f"{second}: {harm} here, because tanh and sigmoid are bounded.",
            f"{second}.",
        ),
    ]


if __name__ == "__main__":
    print(run())
