"""Three detectors find several needles in one image; one softmax cannot.

C3: three independent sigmoids on the same x suit images with several needles. The loss is the sum of three
logistic losses, and the gradient of w_k depends on output k alone: training the three together equals training
each alone.
C4: the outputs of a softmax are coupled and sum to 1, so at most one of them can be above ½.

    ŷ_k = σ(w_k x + b_k),  k = 1, 2, 3
    L = −Σ_k [ y_k log ŷ_k + (1 − y_k) log(1 − ŷ_k) ]
    ∂L/∂w_k = (ŷ_k − y_k) xᵀ
"""

from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, bound, equality, number, percent

TITLE = "Three detectors against one softmax"
CLAIMS = ("C3", "C4")


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Evaluate three detectors and a softmax on images with 1, 2 and 3 needles."""
    several = gn.datasets.needles("several", examples=4000, seed=seed)
    single = gn.datasets.needles("one_of_three", examples=4000, seed=seed)
    three = train(gn.Dense(3, "sigmoid"), several.X, several.y, backend, seed)
    softmax = train(gn.Dense(3, "softmax"), single.X, single.y, backend, seed)

    found = {}
    for name, net in (("three detectors", three), ("softmax", softmax)):
        predicted = net.predict(several.X_test) > 0.5
        present = several.y_test == 1
        count = present.sum(1, keepdims=True)
        found[name] = [float(predicted[present & (count == k)].mean()) for k in (1, 2, 3)]
    coupling = {
        name: coupled(activation, single, backend, seed)
        for name, activation in (("three detectors", "sigmoid"), ("softmax", "softmax"))
    }
    off = ~np.eye(3, dtype=bool)
    values = {
        "needles in the image": [1, 2, 3],
        "fraction found, three detectors": found["three detectors"],
        "fraction found, softmax": found["softmax"],
        "largest weight of the three detectors": float(np.abs(weights(three, backend)[0]).max()),
        "difference, trained together or alone": together_or_alone(three, several, backend, seed),
        "change of other gradients, three detectors": float(coupling["three detectors"][off].max()),
        "change of other gradients, softmax": float(coupling["softmax"][off].max()),
    }
    return Result(values, observations(values), shown={"found": found, "coupling": coupling})


def train(layer: gn.Dense, X: Any, y: Any, backend: str, seed: int) -> gn.Network:
    """Train one layer."""
    net = gn.Network([layer], seed=seed, backend=backend)
    net.fit(X, y, optimizer=gn.GradientDescent(0.5), epochs=20, batch_size=50)
    return net


def weights(net: gn.Network, backend: str) -> tuple[Any, Any]:
    """W and b of the only layer, on the host."""
    to_host = gn.get_backend(backend).to_host
    [(W, b)] = net.parameters
    return to_host(W), to_host(b)


def together_or_alone(three: gn.Network, data: gn.datasets.Dataset, backend: str, seed: int) -> float:
    """Largest difference between the weights of three detectors and those of each trained alone."""
    start = gn.Network([gn.Dense(3, "sigmoid")], inputs=data.X.shape[1], seed=seed, backend=backend)
    (W, b), (W_end, _) = weights(start, backend), weights(three, backend)
    difference = 0.0
    for k in range(3):
        alone = gn.Network([gn.Dense(1, "sigmoid")], seed=seed, backend=backend)
        alone.set_parameters([(W[k : k + 1], b[k : k + 1])])
        alone.fit(data.X, data.y[:, k], optimizer=gn.GradientDescent(0.5), epochs=20, batch_size=50)
        difference = max(difference, float(np.abs(weights(alone, backend)[0] - W_end[k]).max()))
    return difference


def coupled(activation: str, data: gn.datasets.Dataset, backend: str, seed: int) -> Any:
    """Change of ∂J/∂w_j (row j) when w_k (column k) is changed, relative to its norm."""
    net = gn.Network([gn.Dense(3, activation)], inputs=data.X.shape[1], seed=seed, backend=backend)
    to_host = gn.get_backend(backend).to_host
    X, Y = data.X[:200], np.eye(3)[data.y[:200]]
    W, b = weights(net, backend)
    before = to_host(net.gradients(X, Y)[1][0][0])
    changes = np.zeros((3, 3))
    for k in range(3):
        changed = W.copy()
        changed[k] += 0.5
        net.set_parameters([(changed, b)])
        after = to_host(net.gradients(X, Y)[1][0][0])
        changes[:, k] = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    return changes


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    detectors, softmax = v["fraction found, three detectors"][2], v["fraction found, softmax"][2]
    change, coupling = (
        v["change of other gradients, three detectors"],
        v["change of other gradients, softmax"],
    )
    difference = v["difference, trained together or alone"]
    return [
        Sentence(
            detectors > 0.9 and softmax <= 1 / 3,
            f"In images with three needles the detectors find {percent(detectors)} of them; a softmax "
            f"trained on images with one needle finds {percent(softmax)}, because its outputs sum to 1.",
            f"In images with three needles the detectors find {percent(detectors)} of them, and a softmax "
            f"trained on images with one needle {percent(softmax)}.",
        ),
        Sentence(
            change == 0.0 < coupling,
            "If the weights of one detector change, the gradients of the others do not change by a single "
            "bit; those of a softmax do.",
            f"If the weights of one detector change, the gradients of the others change by {bound(change)} "
            f"of their size at most, those of a softmax by up to {number(coupling)}.",
        ),
        Sentence(
            difference < 1e-4 * v["largest weight of the three detectors"],
            f"Trained together or each alone, they end with the same weights, {equality(difference)}.",
            f"Trained together or each alone, their weights differ by up to {number(difference)}.",
        ),
    ]


if __name__ == "__main__":
    print(run())
