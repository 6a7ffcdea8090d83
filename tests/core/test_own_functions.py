"""Activations and losses of the user's own are tried before a run: what they give has their argument's shape."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.losses import Loss
from gpunet.core.own_functions import require_shapes

UNITS = 3
FUNCTIONS = {
    "forward": lambda xp, Z: xp.tanh(Z),
    "backward": lambda xp, dA, Z, A: dA * (1.0 - A * A),
    "value": lambda xp, A, Y: -Y * xp.log(A) - (1.0 - Y) * xp.log(1.0 - A),
    "gradient": lambda xp, A, Y: (A - Y) / (A * (1.0 - A)),
}


def require(dtype="float64", **changed):
    """Of a network of two layers and a loss, whose functions are these; `changed` are others."""
    f = {**FUNCTIONS, **changed}
    own = gn.Activation("bent", f["forward"], f["backward"])
    layers = [gn.Dense(5, "relu"), gn.Dense(4), gn.Dense(UNITS, own)]
    require_shapes(np, layers, Loss("odd", f["value"], f["gradient"]), np.dtype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_they_are_tried_with(dtype):
    """Numbers between 0 and 1, in the network's dtype; functions that give what they should are no error."""
    seen = []

    def noted(name):
        def function(xp, *arrays):
            seen.extend((name, A.shape, A.dtype) for A in arrays)
            assert all(((A > 0) & (A < 1)).all() for A in arrays)
            return FUNCTIONS[name](xp, *arrays)

        return function

    require(dtype, **{name: noted(name) for name in FUNCTIONS})
    counts = {"forward": 1, "backward": 3, "value": 2, "gradient": 2}
    assert seen == [(name, (UNITS, 2), dtype) for name, count in counts.items() for _ in range(count)]


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        (lambda A: A.sum(axis=0, keepdims=True), r"shape \(1, 2\)"),
        (lambda A: A.sum(axis=0), r"shape \(2,\)"),
        (lambda A: A.T, r"shape \(2, 3\)"),
        (lambda A: 0.5, "no array"),
        (lambda A: None, "no array"),
    ],
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_shapes_are_refused(name, wrong, got):
    """They would be broadcast."""
    owner = "activation 'bent'" if name in ("forward", "backward") else "loss 'odd'"
    with pytest.raises(ValueError, match=rf"^{name} of {owner} must .*, \(3, 2\) here; it gave {got}$"):
        require(**{name: lambda xp, *arrays: wrong(arrays[0])})


def test_what_has_a_name_is_not_tried():
    require_shapes(None, [gn.Dense(3, "relu"), gn.Dense(2, "softmax")], "cross_entropy", None)
