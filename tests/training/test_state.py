"""The state that training changes: drawn, checked, moved."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.initializers import INITIALIZERS
from gpunet.core.program import TrainState
from gpunet.devices.placement import Placement, host_placement
from gpunet.training.state import checked_state, initial_state, moved, with_zero_slots

LAYERS = (gn.Dense(3, "relu"), gn.Dense(2, "softmax"))
SHAPES = [((3, 4), (3, 1)), ((2, 3), (2, 1))]


@pytest.fixture
def placement(backend):
    return Placement(backend, backend.devices()[0])


def host(placement, pairs):
    return [tuple(np.asarray(placement.backend.to_host(p)) for p in pair) for pair in pairs]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initial_parameters(placement, dtype):
    """Drawn in the layers' order from one generator; biases 0; no slots."""
    state = initial_state(LAYERS, 4, 7, placement, dtype)
    rng = np.random.default_rng(7)
    first, second = np.sqrt(2 / 4) * rng.standard_normal((3, 4)), np.sqrt(1 / 3) * rng.standard_normal((2, 3))
    found = host(placement, state.parameters)
    assert [tuple(p.shape for p in pair) for pair in found] == SHAPES
    for (W, b), wanted in zip(found, (first, second), strict=True):
        assert W.dtype == b.dtype == dtype
        assert np.array_equal(W, wanted.astype(dtype))
        assert not b.any()
    assert state.slots == [((), ()), ((), ())]


def test_an_initializer_that_gives_one_number(placement):
    layers = (gn.Dense(2, initializer=lambda rng, n_out, n_in: 10 * n_out + n_in),)
    assert (
        host(placement, initial_state(layers, 3, 0, placement, "float32").parameters)[0][0].tolist()
        == [[23.0] * 3] * 2
    )


@pytest.mark.parametrize("slots", [0, 1, 2])
def test_slots_of_zeros(placement, slots):
    state = initial_state(LAYERS, 4, 0, placement, "float32")
    fresh = with_zero_slots(state.parameters, slots, placement)
    assert fresh.parameters is state.parameters
    assert [(len(of_W), len(of_b)) for of_W, of_b in fresh.slots] == [(slots, slots)] * 2
    for pair, shapes in zip(fresh.slots, SHAPES, strict=True):
        for arrays, shape in zip(pair, shapes, strict=True):
            for (array,) in host(placement, [(a,) for a in arrays]):
                assert array.shape == shape
                assert array.dtype == np.float32
                assert not array.any()


def test_moving_takes_parameters_and_slots_along(placement):
    """Every array of the state, in its place."""
    numpy = Placement(gn.get_backend("numpy"), "cpu")
    values = iter(range(100))

    def arrays(shape, count):
        return tuple(np.full(shape, next(values), "float32") for _ in range(count))

    state = TrainState(
        [arrays(W, 1) + arrays(b, 1) for W, b in SHAPES], [(arrays(W, 2), arrays(b, 2)) for W, b in SHAPES]
    )
    there = moved(state, placement, "float32")
    for p in (*there.parameters[1], *there.slots[0][0], *there.slots[1][1]):
        assert placement.backend.owns(p)
    back = moved(there, numpy, "float32")
    for found, wanted in zip(back.parameters, state.parameters, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    for found, wanted in zip(back.slots, state.slots, strict=True):
        for a, b in zip(found, wanted, strict=True):
            assert np.array_equal(np.array(a), np.array(b))


def good():
    rng = np.random.default_rng(0)
    return [tuple(rng.standard_normal(shape).astype("float32") for shape in pair) for pair in SHAPES]


def test_checked_parameters_are_copies(placement):
    given = [tuple(placement.to_device(p) for p in pair) for pair in good()]
    state = checked_state(given, LAYERS, 4, placement, "float32")
    for found, wanted in zip(host(placement, state.parameters), good(), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    for pair, mine in zip(state.parameters, given, strict=True):
        assert all(a is not b for a, b in zip(pair, mine, strict=True))
    assert state.slots == [((), ()), ((), ())]


def test_the_first_weights_decide_unknown_inputs(placement):
    state = checked_state(good(), LAYERS, None, placement, "float32")
    assert tuple(state.parameters[0][0].shape) == (3, 4)
    with pytest.raises(ValueError, match=r"W\[1\] must have shape \(3, 5\), got \(3, 4\)"):
        checked_state(good(), LAYERS, 5, placement, "float32")


def changed(l, k, change):
    pairs = [list(pair) for pair in good()]
    pairs[l][k] = change(pairs[l][k])
    return pairs


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (good()[:1], "2 pairs, one for each dense layer; got 1 items"),
        (None, "2 pairs"),
        (3, "got 0 items"),
        ([(*good()[0], 1), good()[1]], "2 pairs"),
        (
            changed(0, 0, lambda W: W.T),
            r"W\[1\] must have shape \(3, 4\), got \(4, 3\)\. It looks transposed: pass W.T",
        ),
        (changed(1, 1, lambda b: b.T), r"b\[2\] .* transposed: pass b.T"),
        (changed(1, 0, lambda W: W[:, :2]), r"W\[2\] must have shape \(2, 3\), got \(2, 2\)\.$"),
        (changed(0, 1, lambda b: b[:, 0]), r"b\[1\] must have shape \(3, 1\), got \(3,\)\.$"),
        (changed(1, 0, lambda W: W * np.inf), r"W\[2\] holds NaN"),
        (changed(0, 1, lambda b: b * np.nan), r"b\[1\] holds NaN"),
    ],
)
def test_wrong_parameters(given, said):
    numpy = Placement(gn.get_backend("numpy"), "cpu")
    with pytest.raises(ValueError, match=said):
        checked_state(given, LAYERS, 4, numpy, "float32")


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
@pytest.mark.parametrize("drawn", [1, 12, 1000])
def test_weights_are_drawn_as_if_all_at_once(name, drawn, monkeypatch):
    """To the bit, some neurons at a time or not; every layer's draw follows the one before."""
    monkeypatch.setattr("gpunet.training.state.DRAWN", drawn)
    layers = [gn.Dense(7, "relu", initializer=INITIALIZERS[name]), gn.Dense(5, "relu", initializer=name)]
    rng, found = np.random.default_rng(3), initial_state(layers, 4, 3, host_placement(), "float32").parameters
    for (W, _), shape in zip(found, [(7, 4), (5, 7)], strict=True):
        expected = np.broadcast_to(INITIALIZERS[name](rng, *shape), shape)
        assert W.dtype == np.float32 and np.array_equal(W, expected.astype("float32"))
