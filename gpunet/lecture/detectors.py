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
from gpunet.lecture import figures
from gpunet.lecture.result import Result

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
    difference = together_or_alone(three, several, backend, seed)
    coupling = {
        name: coupled(activation, single, backend, seed)
        for name, activation in (("three detectors", "sigmoid"), ("softmax", "softmax"))
    }
    off = ~np.eye(3, dtype=bool)

    return Result(
        {
            "needles in the image": [1, 2, 3],
            "fraction found, three detectors": found["three detectors"],
            "fraction found, softmax": found["softmax"],
            "largest weight of the three detectors": float(np.abs(weights(three, backend)[0]).max()),
            "difference, trained together or alone": difference,
            "change of other gradients, three detectors": float(coupling["three detectors"][off].max()),
            "change of other gradients, softmax": float(coupling["softmax"][off].max()),
        },
        f"With three needles in an image the detectors still find {found['three detectors'][2]:.0%} of them; "
        f"a softmax trained on images with one needle finds {found['softmax'][2]:.0%}, because its outputs "
        "sum to 1. If the weights of one detector change, the gradients of the others do not change by a "
        "single bit.",
        draw(found, coupling),
        "Left: fraction of needles found against needles in the image. Three detectors stay near 1; softmax "
        "falls below one half at two needles and below one third at three. Right: two 3 by 3 tables of the "
        "change of gradient j when weights k change: only the diagonal for detectors, every cell for "
        "softmax.",
    )


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


def draw(found: dict[str, list[float]], coupling: dict[str, Any]) -> Any:
    """Draw the fraction found, and the coupling of the gradients."""
    figure, (left, middle, right) = figures.panels(3, height=3.0, widths=(1.5, 1, 1))
    for name, colour in (("three detectors", figures.BLUE), ("softmax", figures.RED)):
        left.plot([1, 2, 3], found[name], "o-", color=colour, clip_on=False)
    figures.note(left, 1.9, 0.86, "three detectors", figures.BLUE, ha="center")
    figures.note(left, 1.95, found["softmax"][1] + 0.12, "softmax", figures.RED)
    left.set(xlabel="needles in the image", ylabel="fraction found", ylim=(0, 1.02), xticks=[1, 2, 3])
    for axes, (name, changes) in zip((middle, right), coupling.items(), strict=True):
        axes.imshow(changes > 0, cmap="Blues", vmin=0, vmax=2)
        for j, k in np.ndindex(3, 3):
            axes.text(k, j, f"{changes[j, k]:.2f}" if changes[j, k] else "0", ha="center", va="center")
        axes.set(title=name, xlabel="weights k changed", xticks=range(3), yticks=range(3))
        axes.set_xticklabels([1, 2, 3])
        axes.set_yticklabels([1, 2, 3])
    middle.set_ylabel("change of gradient j")
    return figure
