"""Equal weights stay equal: neurons with the same initial weights learn the same feature for ever.

C17: if all weights of a layer are equal (zero included), so are its outputs, its errors and its gradients.
Random initial weights break the symmetry. Biases may start at 0.

    W[1] = c: every row of W[1] and of ∂J/∂W[1] is the same, after any number of updates
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result, power

TITLE = "Symmetric initial weights"
CLAIMS = ("C17",)
STARTS = {"all 0": "zeros", "all 0.5": gn.Constant(0.5), "random": None}
UNITS = 6


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Classify a disc in a ring, with three initialisations."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=300)
    radius, angle = (
        np.where(y, rng.uniform(0, 0.5, 300), rng.uniform(0.7, 1, 300)),
        rng.uniform(0, 2 * np.pi, 300),
    )
    X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    tracks, accuracies, spreads = {}, {}, {}
    for name, start in STARTS.items():
        tracks[name], accuracies[name] = train(X, y, start, backend, seed)
        spreads[name] = float(np.ptp(tracks[name][-1], axis=0).max())
    return Result(
        {
            **{f"largest difference between neurons, {name}": spreads[name] for name in STARTS},
            **{f"accuracy, {name}": accuracies[name] for name in STARTS},
            "largest change of W[1] from all 0": float(np.abs(tracks["all 0"]).max()),
        },
        f"{UNITS} neurons with equal initial weights stay equal: after 300 updates they differ by "
        f"{power(spreads['all 0.5'])}, which is rounding, so the {UNITS} compute no more than one does "
        f"(accuracy {accuracies['all 0.5']:.0%}). With zeros W[1] does not change at all, because the error "
        "is multiplied by W[2] = 0. With random weights each neuron learns something else: accuracy "
        f"{accuracies['random']:.0%}.",
        draw(tracks),
        "Three panels of the first weight of six hidden neurons against updates. All 0: one horizontal "
        "line. All 0.5: one curve, six neurons on top of each other. Random: six different curves.",
    )


def train(X: Any, y: Any, start: Any, backend: str, seed: int) -> tuple[Any, float]:
    """Train; W[1] after each update, (updates, neurons, inputs), and the accuracy."""
    to_host = gn.get_backend(backend).to_host
    layers = [gn.Dense(UNITS, "tanh", start), gn.Dense(1, "sigmoid", start)]
    net = gn.Network(layers, inputs=2, seed=seed, backend=backend, dtype="float64")
    track = [to_host(net.parameters[0][0])]
    net.fit(
        X, y, optimizer=gn.GradientDescent(1.0), epochs=300, batch_size=None,
        callbacks=[lambda net, history: track.append(to_host(net.parameters[0][0]))],
    )  # fmt: skip
    return np.array(track), net.evaluate(X, y)["accuracy"]


def draw(tracks: dict[str, Any]) -> Any:
    """Draw the first weight of each neuron against updates."""
    figure, axes = figures.panels(3, height=2.9)
    limit = 1.1 * max(np.abs(track[:, :, 0]).max() for track in tracks.values())
    for one, (name, track) in zip(axes, tracks.items(), strict=True):
        for k in range(UNITS):
            one.plot(track[:, k, 0], color=figures.COLOURS[k])
        one.set(title=name, xlabel="updates", ylim=(-limit, limit))
    for one in axes[1:]:
        one.set_yticklabels([])
    for one in axes[:2]:
        figures.note(one, 150, -0.5 * limit, f"{UNITS} neurons,\none line", ha="center")
    axes[0].set_ylabel("first weight of each neuron")
    return figure
