"""Equal weights stay equal: neurons with the same initial weights learn the same feature for ever.

C17: if all weights within each layer are equal (zero included), the neurons of a hidden layer have equal outputs,
equal errors, which come back through equal weights, and so equal gradients. Random initial weights break the
symmetry. Biases may start at 0.

    W[1] = c,  W[2] = d
    every row of W[1] and of ∂J/∂W[1] is the same, after any number of updates
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, equality, number, percent

TITLE = "Symmetric initial weights"
CLAIMS = ("C17",)
STARTS = {"all 0": "zeros", "all 0.5": gn.Constant(0.5), "random": None}
UNITS, UPDATES = 6, 300


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Classify a disc in a ring, with three initialisations."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=300)
    radius = np.where(y, rng.uniform(0, 0.5, 300), rng.uniform(0.7, 1, 300))
    angle = rng.uniform(0, 2 * np.pi, 300)
    X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    tracks, accuracies = {}, {}
    for name, start in STARTS.items():
        tracks[name], accuracies[name] = train(X, y, start, backend, seed)
    values = {
        **{
            f"largest difference between neurons, {name}": float(np.ptp(tracks[name][-1], axis=0).max())
            for name in STARTS
        },
        **{f"accuracy, {name}": accuracies[name] for name in STARTS},
        "largest change of W[1] from all 0": float(np.abs(tracks["all 0"]).max()),
    }
    return Result(values, observations(values), shown={"tracks": tracks})


def train(X: Any, y: Any, start: Any, backend: str, seed: int) -> tuple[Any, float]:
    """Train; W[1] after each update, (updates, neurons, inputs), and the accuracy."""
    to_host = gn.get_backend(backend).to_host
    layers = [gn.Dense(UNITS, "tanh", start), gn.Dense(1, "sigmoid", start)]
    net = gn.Network(layers, inputs=2, seed=seed, backend=backend, dtype="float64")
    track = [to_host(net.parameters[0][0])]
    net.fit(
        X, y, optimizer=gn.GradientDescent(1.0), epochs=UPDATES, batch_size=None,
        callbacks=[lambda net, history: track.append(to_host(net.parameters[0][0]))],
    )  # fmt: skip
    return np.array(track), net.evaluate(X, y)["accuracy"]


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    equal, random = (v[f"largest difference between neurons, {name}"] for name in ("all 0.5", "random"))
    one, all_ = (percent(v[f"accuracy, {name}"]) for name in ("all 0.5", "random"))
    change = v["largest change of W[1] from all 0"]
    return [
        Sentence(
            equal < 1e-6,
            f"{UNITS} neurons with equal initial weights stay equal, {equality(equal)}: after {UPDATES} updates "
            f"the {UNITS} compute no more than one does (accuracy {one}).",
            f"{UNITS} neurons with equal initial weights differ by {number(equal)} after {UPDATES} updates.",
        ),
        Sentence(
            change == 0.0,
            "With zeros W[1] does not change at all, because the error is multiplied by W[2] = 0; W[2] stays 0 "
            "too, because its input is tanh 0 = 0.",
            f"With zeros W[1] has changed by {number(change)}.",
        ),
        Sentence(
            random > 0.5 and v["accuracy, random"] > v["accuracy, all 0.5"],
            f"With random weights the neurons differ by up to {number(random)}, and the accuracy is {all_}.",
            f"With random weights the neurons differ by up to {number(random)}, and the accuracy is {all_}: "
            "not more than with equal ones.",
        ),
    ]


if __name__ == "__main__":
    print(run())
