"""Three ways down: one example an update, a mini-batch, or all of them.

C18: full batch takes the true gradient at O(m) work an update; stochastic descent takes one example, cheap
and noisy; a mini-batch of B is the vectorised middle way.
C19: for t = 1, 2, …: take a batch, go forward and backward, and update every W[l] and b[l].

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
RATE = 0.05  # for all: so that an update is as long, and only its direction and its price differ
WAYS = {"B = 1": 1, "B = 32": 32, "B = 1000": 1000, "full batch": M}
EPOCHS = {"B = 1": 3, "B = 32": 30, "B = 1000": 80, "full batch": 200}


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train the same network four ways; cost against epochs, updates and seconds."""
    data = gn.datasets.needles("one_of_three", examples=M, noise=0.3, seed=seed)
    tracks = {name: train(data, name, backend, seed) for name in WAYS}
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
            **{f"cost after {epochs} epochs, {name}": at_epoch[name] for name in WAYS},
            **{
                f"cost after 63 updates, {name}": at_update[name]
                for name in ("B = 32", "B = 1000", "full batch")
            },
            **{f"updates an epoch, {name}": -(-M // WAYS[name]) for name in WAYS},
            **{f"examples a second on this machine, {name}": speed[name] for name in WAYS},
        },
        "Measured in looks at all the data, small batches get furthest: they update more often. Measured "
        "in updates, all go about equally far, but a full batch pays for each with all the data. Seconds "
        f"decide, and they depend on the machine: here {speed['B = 1']:,.0f} examples a second one by one, "
        f"{speed['B = 32']:,.0f} in batches of 32 and {speed['full batch']:,.0f} all at once.",
        draw(tracks),
        "Three panels of the same cost curves, against epochs, updates and seconds, on logarithmic scales. "
        "Against epochs B = 1 is lowest, then B = 32, far below the others; against updates all follow one "
        "curve; against seconds the order is that of this machine.",
    )


def train(data: gn.datasets.Dataset, way: str, backend: str, seed: int) -> dict[str, Any]:
    """Train, and measure the cost on all training data after each epoch."""
    B, rule = WAYS[way], gn.GradientDescent(RATE)
    layers = [gn.Dense(16, "tanh"), gn.Dense(3, "softmax")]
    X = (data.X - data.X.mean()) / data.X.std()
    # A short run first: a backend that compiles does so here, not on the clock.
    gn.Network(layers, seed=seed, backend=backend).fit(X, data.y, optimizer=rule, epochs=1, batch_size=B)
    net = gn.Network(layers, inputs=256, seed=seed, backend=backend)
    start = net.evaluate(X, data.y)["loss"]
    history = net.fit(
        X, data.y, optimizer=rule, epochs=EPOCHS[way], batch_size=B, validation_data=(X, data.y)
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
    """Draw the cost against each of the three."""
    figure, axes = figures.panels(3, height=3.5)
    colours = dict(zip(WAYS, (figures.RED, figures.GREEN, figures.BLUE, figures.BLACK), strict=True))
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
