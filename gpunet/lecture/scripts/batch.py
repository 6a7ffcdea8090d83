"""A batch is one matrix product: the same result as a loop over its examples.

C7: the examples are the columns of one matrix and use the same parameters, so the number of parameters does
not depend on m; b is broadcast along the columns.
C8: the cost is the mean of the losses over the examples, and each loss is a sum over the outputs.

    Z[l] = W[l] A[l−1] + b[l],  all m columns at once
    J = (1/m) Σ_i L(i)
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.lecture import Result, Sentence, equality, number

TITLE = "A batch against a loop"
CLAIMS = ("C7", "C8")
SIZES = (1, 4, 16, 64, 256, 1024, 4096)


def run(backend: str = "numpy", seed: int = 0) -> Result:
    """Predict and compute gradients column by column, and all at once."""
    to_host = gn.get_backend(backend).to_host
    data = gn.datasets.needles("several", examples=SIZES[-1], test_examples=1, seed=seed)
    net = gn.Network([gn.Dense(64, "relu"), gn.Dense(3, "sigmoid")], inputs=256, seed=seed, backend=backend)
    X, y = data.X, data.y

    few = 64
    loop = one_by_one(net, X[:few])
    together = net.predict(X[:few])
    singles = [net.gradients(X[i : i + 1], y[i : i + 1]) for i in range(few)]
    J, gradients = net.gradients(X[:few], y[:few])
    mean_J = float(np.mean([one[0] for one in singles]))
    mean_dW = np.mean([to_host(one[1][0][0]) for one in singles], axis=0)

    synchronize = gn.get_backend(backend).synchronize
    device = gn.get_backend(backend).devices()[0]

    def speed(function: Callable[[], Any], examples: int) -> float:
        """Examples per second, the fastest of the calls within a tenth of a second."""
        seconds = [np.inf]
        until = time.perf_counter() + 0.1
        while time.perf_counter() < until or len(seconds) < 5:
            started = time.perf_counter()
            function()
            synchronize(device)
            seconds.append(time.perf_counter() - started)
        return float(examples / min(seconds))

    speeds = [speed(functools.partial(net.predict, X[:m]), m) for m in SIZES]
    loops = [speed(functools.partial(one_by_one, net, X[:m]), m) for m in SIZES[:4]]
    values = {
        "parameters, for any m": sum(W.shape[0] * (W.shape[1] + 1) for W, _ in net.parameters),
        "difference of outputs, loop and batch": float(np.abs(loop - together).max()),
        "difference of J and the mean of L": abs(J - mean_J),
        "difference of gradients": float(np.abs(mean_dW - to_host(gradients[0][0])).max()),
        "examples per second, loop": loops[-1],
        f"examples per second, batch of {SIZES[-1]}": speeds[-1],
        "speedup": speeds[-1] / loops[-1],
    }
    return Result(values, observations(values), shown={"sizes": SIZES, "speeds": speeds, "loops": loops})


def one_by_one(net: gn.Network, X: Any) -> Any:
    """Predict in a loop, one example at a time."""
    return np.concatenate([net.predict(X[i : i + 1]) for i in range(len(X))])


def observations(v: dict[str, Any]) -> list[Sentence]:
    """What the values show."""
    difference = max(value for name, value in v.items() if name.startswith("difference"))
    speedup = v["speedup"]
    return [
        Sentence(
            difference < 1e-4,
            f"The outputs, the cost and the gradients are equal, {equality(difference)}.",
            f"Outputs, cost and gradients of the loop and of the batch differ by up to {number(difference)}.",
        ),
        Sentence(
            speedup > 2.0,
            f"On this machine one product over 4,096 columns handles {speedup:,.0f} times as many examples "
            "per second as the loop: the overhead of a call occurs once, and a large matrix product reads "
            "the weights from memory once for many columns.",
            f"On this machine one product over 4,096 columns handles {number(speedup)} times as many "
            "examples per second as the loop: here a batch is not faster.",
        ),
    ]


if __name__ == "__main__":
    print(run())
