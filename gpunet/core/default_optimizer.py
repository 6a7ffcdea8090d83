"""The optimizer of a training run: the one that was given, or the default for these activations."""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Sequence
from typing import Any

from gpunet.core.optimizers import OPTIMIZERS, Adam, Optimizer
from gpunet.core.other_names import OPTIMIZERS_ELSEWHERE

# Learning rates that suit standardised inputs; of a schedule, the highest.
RATES = {"adamw": 2e-3, "adam": 2e-3, "rmsprop": 1e-3, "gradient_descent": 0.5}
# An adaptive step is about α per weight, however small the gradient. Before a sigmoid it changes the outputs less,
# because σ′ is at most ¼ (C11), so it may be larger.
SIGMOID_FACTOR = 2.5
MOMENTUM = 0.9  # of gradient descent
LARGE = 4.0  # the size of inputs above which the default rate is smaller
# Names that mean quite the same.
OTHER_NAMES = {other: meant.name for other, meant in OPTIMIZERS_ELSEWHERE.items() if not meant.difference}


def default_rate(name: str, hidden: Sequence[Any]) -> float:
    """The learning rate of optimizer `name` for a network whose hidden layers have these activations."""
    adaptive = name != "gradient_descent"
    return RATES[name] * (SIGMOID_FACTOR if adaptive and "sigmoid" in hidden else 1.0)


def default_optimizer(hidden: Sequence[Any], size: float) -> Adam:
    """Adam with the rate for hidden layers with these activations, and for inputs of this size.

    A step of Adam is about α per weight, whatever the gradient, and moves the first layer's outputs by α Σ|x|: large
    inputs need a smaller α, the other layers do not. The square root is between the two.

    Parameters
    ----------
    hidden : sequence
    size : float
        Root mean square of the inputs; 1 where they are standardised.
    """
    return Adam(default_rate("adam", hidden) * min(1.0, math.sqrt(LARGE / size)))


def chosen_optimizer(optimizer: Any, hidden: Sequence[Any]) -> Optimizer:
    """`optimizer`; a name stands for that optimizer with its default rate, None for ``"adam"``.

    Gradient descent by its name has momentum 0.9.

    Raises
    ------
    TypeError, ValueError
        If it is neither an optimizer nor the name of one.
    """
    if isinstance(optimizer, Optimizer):
        if not isinstance(optimizer, Hashable):
            name = repr(optimizer)
            raise TypeError(
                f"an optimizer is a value: write @dataclass(frozen=True) before its class; got {name}"
            )
        if not hasattr(optimizer, "learning_rate"):
            raise TypeError(f"an optimizer needs a field learning_rate: float or Schedule; got {optimizer!r}")
        return optimizer
    if optimizer is None:
        optimizer = "adam"
    if isinstance(optimizer, str):
        name = optimizer.lower().replace("-", "_")
        name = OTHER_NAMES.get(name, name)
        if name in OPTIMIZERS:
            settings = {"momentum": MOMENTUM} if name == "gradient_descent" else {}
            chosen: Optimizer = OPTIMIZERS[name](default_rate(name, hidden), **settings)
            return chosen
    near = _nearest(optimizer.__name__ if isinstance(optimizer, type) else str(optimizer))
    message = f"gpunet.{near.__name__}(learning_rate={near().learning_rate}), got {optimizer!r}"
    if isinstance(optimizer, str):
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, or an object such as {message}")
    raise TypeError(f"optimizer must be a name such as 'adam', or an object such as {message}")


def _nearest(name: str) -> type[Any]:
    """The class that was probably meant."""
    if name.lower() in OPTIMIZERS_ELSEWHERE:
        return OPTIMIZERS[OPTIMIZERS_ELSEWHERE[name.lower()].name]
    near = difflib.get_close_matches(name.lower(), OPTIMIZERS, n=1)
    return OPTIMIZERS[near[0]] if near else Adam
