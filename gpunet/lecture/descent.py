"""Gradient descent with one example per update, a mini-batch, or the full batch.

C18: full batch uses the exact gradient with O(m) work per update; stochastic descent uses one example, cheap
and noisy; a mini-batch of B examples lies between the two and is vectorised.
C19: for t = 1, 2, …: take a batch, run forward and backward, and update every W[l] and b[l].

    J = (1/B) Σ_i L(i), over the batch
    W[l] ← W[l] − α ∂J/∂W[l],  b[l] ← b[l] − α ∂J/∂b[l]
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import figures
from gpunet.lecture.result import Result

TITLE = "SGD, mini-batch, full batch"
CLAIMS = ("C18", "C19")
M = 2000
RATE = 0.05  # the same for all, so that only direction and cost of an update differ
SIZES = {"B = 1": 1, "B = 32": 32, "B = 1000": 1000, "full batch": M}
EPOCHS = {"B = 1": 3, "B = 32": 30, "B = 1000": 80, "full batch": 200}


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train the same network with four batch sizes; cost against epochs, updates and seconds."""
    data = gn.datasets.needles("one_of_three", examples=M, noise=0.3, seed=seed)
    tracks = {name: train(data, name, backend, seed) for name in SIZES}
    epochs = 3
    at_epoch = {
        name: float(np.interp(epochs, track["epochs"], track["cost"])) for name, track in tracks.items()
    }
    at_update = {
        name: float(np.interp(63, track["updates"], track["cost"])) for name, track in tracks.items()
    }
    speed = {name: track["speed"] for name, track in tracks.items()}
    return Result(
        {
            **{f"cost after {epochs} epochs, {name}": at_epoch[name] for name in SIZES},
            **{
                f"cost after 63 updates, {name}": at_update[name]
                for name in ("B = 32", "B = 1000", "full batch")
            },
            **{f"updates per epoch, {name}": -(-M // SIZES[name]) for name in SIZES},
            **{f"examples per second on this machine, {name}": speed[name] for name in SIZES},
        },
        "After the same number of epochs, small batches have the lowest cost: they update more often. After "
        "the same number of updates, all costs are about equal, but an update of the full batch takes all "
        f"the data. The time depends on the machine: here {speed['B = 1']:,.0f} examples per second with B = "
        f"1, {speed['B = 32']:,.0f} with B = 32 and {speed['full batch']:,.0f} with the full batch.",
        draw(tracks),
        "Three panels of the same cost curves, against epochs, updates and seconds, on logarithmic scales. "
        "Against epochs B = 1 is lowest, then B = 32, far below the others; against updates all follow one "
        "curve; against seconds the order depends on the machine.",
    )


def train(data: gn.datasets.Dataset, name: str, backend: str, seed: int) -> dict[str, Any]:
    """Train, and measure the cost on all training data after each epoch."""
    B, rule = SIZES[name], gn.GradientDescent(RATE)
    layers = [gn.Dense(16, "tanh"), gn.Dense(3, "softmax")]
    X = (data.X - data.X.mean()) / data.X.std()
    # A short run first, so that the time of compiling is not measured.
    gn.Network(layers, seed=seed, backend=backend).fit(X, data.y, optimizer=rule, epochs=1, batch_size=B)
    net = gn.Network(layers, inputs=256, seed=seed, backend=backend)
    start = net.evaluate(X, data.y)["loss"]
    history = net.fit(
        X, data.y, optimizer=rule, epochs=EPOCHS[name], batch_size=B, validation_data=(X, data.y)
    )
    epochs = np.arange(history.epochs + 1)
    return {
        "cost": [start, *history.val_loss],
        "epochs": epochs,
        "updates": epochs * -(-M // B),
        "seconds": np.concatenate([[0.0], np.cumsum(history.seconds)]),
        "speed": M / min(history.seconds),
    }


def draw(tracks: dict[str, dict[str, Any]]) -> Any:
    """Draw the cost against epochs, updates and seconds."""
    figure, axes = figures.panels(3, height=3.5)
    colours = dict(zip(SIZES, (figures.RED, figures.GREEN, figures.BLUE, figures.BLACK), strict=True))
    for one, what in zip(axes, ("epochs", "updates", "seconds"), strict=True):
        for name, track in tracks.items():
            one.loglog(track[what][1:], track["cost"][1:], color=colours[name])
        one.set(xlabel=what, ylim=(1e-3, 2))
        one.minorticks_off()
        one.set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"] if what == "epochs" else [])
    axes[0].set_ylabel("cost J on all training data")
    places = {"B = 1": (2, 0.0025), "B = 32": (20, 0.0025), "B = 1000": (1, 0.3), "full batch": (20, 0.9)}
    for name, (x, y) in places.items():
        figures.note(axes[0], x, y, name, colours[name], va="top", fontsize=11)
    return figure
