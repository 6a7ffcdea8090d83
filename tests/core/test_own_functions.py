"""Functions of the user's own are tried before a run: they give new arrays of their argument's shape and dtype."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.losses import Loss
from gpunet.core.own_functions import require_usable

UNITS = 3
FUNCTIONS = {
    "forward": lambda xp, Z: xp.tanh(Z),
    "backward": lambda xp, dA, Z, A: dA * (1.0 - A * A),
    "value": lambda xp, A, Y: -Y * xp.log(A) - (1.0 - Y) * xp.log(1.0 - A),
    "gradient": lambda xp, A, Y: (A - Y) / (A * (1.0 - A)),
    "value_from_Z": lambda xp, Z, Y: xp.maximum(Z, 0.0) - Z * Y + xp.log1p(xp.exp(-xp.abs(Z))),
}


@dataclass(frozen=True)
class Own(gn.Optimizer):
    """Whose rule is given."""

    learning_rate: float = 0.5
    count: int = 1
    rule: object = field(default=None, compare=False)

    @property
    def slots(self):
        return self.count

    def coefficients(self, step, planned, updates):
        return self.learning_rate, float(step + updates), float(planned)

    def update(self, xp, theta, gradient, slots, c):
        return self.rule(theta, gradient, slots, c)


def require(dtype="float64", optimizer=None, **changed):
    """Of a network of three layers and a loss, whose functions are these; `changed` are others."""
    f = {**FUNCTIONS, **changed}
    own = gn.Activation("bent", f["forward"], f["backward"])
    layers = [gn.Dense(5, "relu"), gn.Dense(4), gn.Dense(UNITS, own)]
    loss = Loss("odd", f["value"], f["gradient"], own, f["value_from_Z"])
    require_usable(np, layers, loss, optimizer or gn.Adam(), np.dtype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_they_are_tried_with(dtype):
    """The network's dtype; Z of both signs, A and Y between 0 and 1. Functions that do as they should are no error."""
    seen = []

    def noted(name):
        def function(xp, *arrays):
            seen.extend((name, A.shape, A.dtype) for A in arrays)
            if name == "forward":
                assert (np.sign(arrays[0]) == [1, -1]).all()
            elif name != "backward":
                assert all(((A > 0) & (A < 1)).all() for A in arrays)
                assert (arrays[0] != arrays[1]).all()
            return FUNCTIONS[name](xp, *arrays)

        return function

    require(dtype, **{name: noted(name) for name in FUNCTIONS})
    counts = {"forward": 1, "backward": 3, "value": 2, "gradient": 2, "value_from_Z": 2}
    assert seen == [(name, (UNITS, 2), dtype) for name, count in counts.items() for _ in range(count)]


def owner(name):
    return "activation 'bent'" if name in ("forward", "backward") else "loss 'odd'"


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
    with pytest.raises(ValueError, match=rf"^{name} of {owner(name)} must .*, \(3, 2\) here; it gave {got}$"):
        require(**{name: lambda xp, *arrays: wrong(arrays[0])})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_another_dtype_is_refused(name):
    """It would be that of all weights after the first update."""

    def wider(xp, *arrays):
        return np.sqrt(2) * FUNCTIONS[name](xp, *arrays)

    require("float64", **{name: wider})
    said = rf"^{name} of {owner(name)} must give .* dtype, float32 here; it gave float64\. .* math\.sqrt\(2\)"
    with pytest.raises(ValueError, match=said):
        require("float32", **{name: wider})


@pytest.mark.parametrize(("name", "count"), [("forward", 1), ("backward", 3), ("value", 2), ("gradient", 2)])
def test_what_is_written_into_an_argument_is_found(name, count):
    for place in range(count):

        def writing(xp, *arrays, place=place):
            found = FUNCTIONS[name](xp, *arrays)
            arrays[place][:, -1] *= 2
            return found

        with pytest.raises(ValueError, match=f"^{name} of {owner(name)} must not write into its arguments"):
            require(**{name: writing})


def test_a_relu_in_place_is_found():
    def relu(xp, Z):
        Z[Z < 0] = 0
        return Z

    with pytest.raises(ValueError, match="forward of activation 'bent' must not write"):
        require(forward=relu)


def test_an_activation_that_is_not_for_all_numbers_may_be_nan():
    with np.errstate(all="ignore"):
        require(
            forward=lambda xp, Z: xp.sqrt(Z),
            backward=lambda xp, dA, Z, A: dA / (2.0 * A),
        )


def momentum(theta, gradient, slots, c):
    v = c[2] * slots[0] + gradient
    return theta - c[0] * v, (v,)


def test_what_an_optimizer_is_tried_with():
    seen = []

    def rule(theta, gradient, slots, c):
        seen.append((theta.shape, gradient.shape, [slot.shape for slot in slots], c.tolist(), c.dtype))
        assert {A.dtype for A in (theta, gradient, *slots)} == {np.dtype("float32")}
        return theta - c[0] * gradient, slots

    for count in (0, 2):
        require("float32", Own(0.25, count, rule))
    shape = seen[0][0]
    assert len(shape) == 2 and shape[0] != shape[1]
    assert seen == [(shape, shape, [shape] * n, [0.25, 0.0, 1000.0], np.dtype("float32")) for n in (0, 2)]
    require("float32", Own(rule=momentum))


RULES = {
    "theta alone": (lambda theta, *_: theta, TypeError, r"must return the pair \(theta, slots\)"),
    "nothing": (lambda *_: None, TypeError, "must return the pair"),
    "three": (lambda theta, *_: (theta, (theta,), 1), TypeError, "must return the pair"),
    "no slots": (lambda theta, *_: (theta, ()), ValueError, "a tuple of 1 slots beside theta, .* got 0"),
    "a slot alone": (lambda theta, *_: (theta, theta), ValueError, "a tuple of 1 slots .* got no tuple"),
    "another shape": (lambda theta, *_: (theta[:1], (theta,)), ValueError, "theta, must give .* shape"),
    "another slot": (lambda theta, *_: (theta, (theta[:1],)), ValueError, "a slot, must give .* shape"),
    "no array": (lambda theta, *_: (0.5, (theta,)), ValueError, "theta, must give .* no array"),
    "float64": (lambda theta, *_: (np.sqrt(2) * theta, (theta,)), ValueError, "theta, must .* gave float64"),
}


@pytest.mark.parametrize("case", RULES)
def test_what_an_optimizer_returns(case):
    """A W of two rows, unpacked, would be taken for theta and slots."""
    rule, error, said = RULES[case]
    with pytest.raises(error, match=rf"^update of Own\(.*{said}"):
        require("float32", Own(rule=rule))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_optimizer_that_writes_into_its_arguments(place):
    def rule(theta, gradient, slots, c):
        (theta, gradient, slots[0])[place][0] *= 0.5
        return theta + gradient, (slots[0] + 0,)

    with pytest.raises(ValueError, match=r"^update of Own.* must not write into its arguments"):
        require(optimizer=Own(rule=rule))


def test_a_number_of_slots_that_is_none():
    with pytest.raises(TypeError, match=r"^slots of Own\(.* must be a whole number, got 1.5"):
        require(optimizer=Own(count=1.5, rule=momentum))


def test_what_has_a_name_is_not_tried():
    layers = [gn.Dense(3, "relu"), gn.Dense(2, "softmax")]
    for optimizer in (gn.GradientDescent(), gn.RMSprop(), gn.Adam(), gn.AdamW()):
        require_usable(None, layers, "cross_entropy", optimizer, None)
