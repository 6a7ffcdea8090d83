"""Gradient descent with one example per update, a mini-batch, or the full batch.

C18: full batch uses the exact gradient with O(m) work per update; stochastic descent uses one example, cheap
and noisy; a mini-batch of B examples lies between the two and is vectorised.
C19: for t = 1, 2, …: take a batch, run forward and backward, and update every W[l] and b[l].

    J = (1/B) Σ_i L(i), over the batch
    W[l] ← W[l] − α ∂J/∂W[l],  b[l] ← b[l] − α ∂J/∂b[l]
"""

import time
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, equality, number

TITLE = "SGD, mini-batch, full batch"
CLAIMS = ("C18", "C19")
M = 2000
RATE = 0.05  # the same for all, so that only direction and cost of an update differ
SIZES = {"B = 1": 1, "B = 32": 32, "B = 1000": 1000, "full batch": M}
EPOCHS = {"B = 1": 3, "B = 32": 10, "B = 1000": 40, "full batch": 100}
AFTER_EPOCHS, AFTER_UPDATES = 3, 63
LAYERS = [gn.Dense(64, "tanh"), gn.Dense(3, "softmax")]
BLOCKED = (
    "Blocked SGD multiplies the first layer's weights by a block of consecutive examples at once, and corrects each "
    "product for the updates made earlier in the block."
)


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Train the same network with four batch sizes; cost against epochs and updates, and examples per second."""
    data = gn.datasets.needles("one_of_three", examples=M, noise=0.3, seed=seed)
    X, y = (data.X - data.X.mean()) / data.X.std(), data.y
    tracks = {name: train(X, y, name, backend, seed) for name in SIZES}
    plain = {name: plain_speed(X, y, B, seed) for name, B in SIZES.items()}
    values = {
        **{
            f"cost after {AFTER_EPOCHS} epochs, {name}": at(tracks[name], "epochs", AFTER_EPOCHS)
            for name in SIZES
        },
        **{
            f"cost after {AFTER_UPDATES} updates, {name}": at(tracks[name], "updates", AFTER_UPDATES)
            for name in ("B = 32", "B = 1000", "full batch")
        },
        **{f"updates per epoch, {name}": -(-M // B) for name, B in SIZES.items()},
        **{f"examples per second, plain NumPy, {name}": speed for name, speed in plain.items()},
        **{f"program of gpunet, {name}": tracks[name]["program"] for name in ("B = 1", "B = 32")},
        **{f"examples per second, gpunet, {name}": tracks[name]["speed"] for name in SIZES},
        "difference of W, gpunet and plain NumPy, B = 1": exactness(X, y, backend, seed),
    }
    return Result(values, observations(values), shown={"tracks": tracks, "plain": plain})


def minibatch_epoch(layers: list[Any], X: Any, Y: Any, B: int) -> None:
    """One epoch of C19 in plain NumPy, in place; columns are examples."""
    (W1, b1), (W2, b2) = layers
    for first in range(0, X.shape[1], B):
        x, t = X[:, first : first + B], Y[:, first : first + B]
        A1 = np.tanh(W1 @ x + b1)
        E = np.exp(W2 @ A1 + b2)
        d2 = (E / E.sum(axis=0) - t) / x.shape[1]
        d1 = (W2.T @ d2) * (1.0 - A1**2)
        W2 -= RATE * d2 @ A1.T
        b2 -= RATE * d2.sum(axis=1, keepdims=True)
        W1 -= RATE * d1 @ x.T
        b1 -= RATE * d1.sum(axis=1, keepdims=True)


def columns(X: Any, y: Any, seed: int) -> tuple[list[Any], Any, Any]:
    """Initial parameters, X and one-hot Y for the plain loop, in float32."""
    net = gn.Network(LAYERS, inputs=X.shape[1], seed=seed, backend="numpy")
    layers = [(np.array(W), np.array(b)) for W, b in net.parameters]
    return layers, np.asfortranarray(X.T), np.asfortranarray(np.eye(3, dtype="float32")[y].T)


def plain_speed(X: Any, y: Any, B: int, seed: int) -> float:
    """Examples per second of the plain loop: the fastest of five epochs."""
    layers, X, Y = columns(X, y, seed)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        minibatch_epoch(layers, X, Y, B)
        seconds.append(time.perf_counter() - started)
    return float(M / min(seconds))


def exactness(X: Any, y: Any, backend: str, seed: int) -> float:
    """Largest difference of W[1] after an epoch with B = 1 in the same order, by gpunet and by the plain loop."""
    layers, columns_of_X, Y = columns(X, y, seed)
    minibatch_epoch(layers, columns_of_X, Y, 1)
    net = gn.Network(LAYERS, inputs=X.shape[1], seed=seed, backend=backend)
    net.fit(X, y, optimizer=gn.GradientDescent(RATE), epochs=1, batch_size=1, shuffle=False)
    return float(np.abs(gn.get_backend(backend).to_host(net.parameters[0][0]) - layers[0][0]).max())


def train(X: Any, y: Any, name: str, backend: str, seed: int) -> dict[str, Any]:
    """Train, and measure the cost on all training data after each epoch."""
    B, rule = SIZES[name], gn.GradientDescent(RATE)
    # A short run first, so that the time of compiling is not measured.
    gn.Network(LAYERS, seed=seed, backend=backend).fit(X, y, optimizer=rule, epochs=1, batch_size=B)
    net = gn.Network(LAYERS, inputs=X.shape[1], seed=seed, backend=backend)
    start = net.evaluate(X, y)["loss"]
    history = net.fit(X, y, optimizer=rule, epochs=EPOCHS[name], batch_size=B, validation_data=(X, y))
    epochs = np.arange(history.epochs + 1)
    return {
        "cost": [start, *history.val_loss],
        "epochs": epochs,
        "updates": epochs * -(-M // B),
        "speed": M / min(history.seconds),
        "program": history.program,
    }


def at(track: dict[str, Any], what: str, where: float) -> float:
    """The cost after a number of epochs or updates."""
    return float(np.interp(where, track[what], track["cost"]))


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    per_epoch = [v[f"cost after {AFTER_EPOCHS} epochs, {name}"] for name in SIZES]
    per_update = [
        v[f"cost after {AFTER_UPDATES} updates, {name}"] for name in ("B = 32", "B = 1000", "full batch")
    ]
    plain, gpunet = (
        {name: v[f"examples per second, {code}, {name}"] for name in SIZES}
        for code in ("plain NumPy", "gpunet")
    )
    program = v["program of gpunet, B = 1"]
    difference = v["difference of W, gpunet and plain NumPy, B = 1"]
    speeds = f"{gpunet['B = 1']:,.0f} examples per second with B = 1 and {gpunet['B = 32']:,.0f} with B = 32"
    return [
        Sentence(
            per_epoch == sorted(per_epoch),
            f"After {AFTER_EPOCHS} epochs the cost is lower the smaller the batch is: small batches update "
            "more often.",
            f"After {AFTER_EPOCHS} epochs the costs for B = 1, 32, 1000 and {M} are "
            f"{', '.join(f'{number(cost)}' for cost in per_epoch)}.",
        ),
        Sentence(
            max(per_update) < 1.3 * min(per_update),
            f"After {AFTER_UPDATES} updates the costs for B = 32 to {M} are about equal, but an update of "
            "the full batch takes all the data.",
            f"After {AFTER_UPDATES} updates the costs for B = 32, 1000 and {M} are "
            f"{', '.join(f'{number(cost)}' for cost in per_update)}.",
        ),
        Sentence(
            plain["B = 32"] > 2 * plain["B = 1"],
            "In plain vectorised code, the loop of C19 in NumPy, an update of 32 examples takes "
            f"{number(32 * plain['B = 1'] / plain['B = 32'])} times as long as one of a single example, so B = 32 "
            f"handles more examples per second: on this machine {plain['B = 1']:,.0f} with B = 1, "
            f"{plain['B = 32']:,.0f} with B = 32 and {plain['full batch']:,.0f} with the full batch.",
            f"In plain NumPy the loop of C19 handles {plain['B = 1']:,.0f} examples per second on this machine with "
            f"B = 1, {plain['B = 32']:,.0f} with B = 32 and {plain['full batch']:,.0f} with the full batch.",
        ),
        Sentence(
            difference < 1e-3,
            f"gpunet's program for B = 1 here, “{program}”, ends an epoch with the weights of the plain loop, "
            f"{equality(difference)}.",
            f"gpunet's program for B = 1 here, “{program}”, ends an epoch with weights that differ from the "
            f"plain loop's by {number(difference, 1)} at most.",
        ),
        Sentence(
            gpunet["B = 1"] > 3 * plain["B = 1"],
            f"It breaks the rule that only larger batches are fast: it handles {speeds}; with B = 1 that is "
            f"{number(gpunet['B = 1'] / plain['B = 1'])} times the plain loop's speed."
            + (f" {BLOCKED}" if "blocked" in program else ""),
            f"It handles {speeds}, so the rule that only larger batches are fast is not broken here. The compiled "
            "programs of the backend numpy can break it by blocked SGD; they need the extra “fast”, and a second run, "
            f"because they are compiled in the background during the first. {BLOCKED}",
        ),
    ]


if __name__ == "__main__":
    print(run())
