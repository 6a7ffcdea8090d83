"""The program for batches of small networks computes what the reference computes, whatever its chunks."""

import itertools
from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

from gpunet.core.plan import Layer, Plan
from gpunet.core.program import TrainState
from gpunet.core.reference import Reference
from gpunet_numpy.compiled import math
from gpunet_numpy.compiled.columns import program as columns
from random_plans import (
    NETWORKS,
    OPTIMIZERS,
    differences,
    draw,
    epoch_chunk,
    in_turn,
    numbers,
    plan_of,
    with_penalty,
)

pytestmark = pytest.mark.slow

NAMES = list(NETWORKS)
LIMITS = ("WEIGHTS", "INPUTS", "UNITS")


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    """Larger networks than those that the program is worth for."""
    for name in LIMITS:
        monkeypatch.setattr(columns, name, 10**6)


def both(plan, state, inputs):
    """The program's result and the reference's, which must leave alone what they are given."""
    before = numbers([*state, inputs.X, inputs.Y])
    with np.errstate(all="ignore"):
        found = columns.Columns(plan)(state, inputs), Reference(xp, plan)(state, inputs)
    assert np.array_equal(numbers([*state, inputs.X, inputs.Y]), before)
    return found


@pytest.mark.parametrize(("network", "optimizer", "dtype"), in_turn(NAMES, OPTIMIZERS))
def test_as_the_reference(network, optimizer, dtype, monkeypatch):
    rng = np.random.default_rng([len(network), len(optimizer)])
    for batch_size, chunk in itertools.product((16, 20, 75), (1000, 16, 7)):
        monkeypatch.setattr(columns, "CACHE", 0)
        monkeypatch.setattr(columns, "CHUNK", chunk)
        shuffled = bool(rng.integers(2))
        plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, dtype)
        used = batch_size + 3 if shuffled and batch_size < 75 and rng.random() < 0.5 else None
        state, inputs = draw(plan, shuffled, used)
        found, expected = both(plan, state, inputs)
        assert not differences(plan, found, expected)
        new, losses = found
        assert losses.dtype == plan.dtype
        assert all(p.dtype == plan.dtype for pair in new.parameters for p in pair)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_penalty(optimizer):
    for network, batch_size in itertools.product(("linear", "softmax", "three-hidden"), (20, 75)):
        plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, "float64")
        state, inputs = draw(plan)
        plan, inputs = with_penalty(plan, inputs)
        assert not differences(plan, *both(plan, state, inputs))


@pytest.mark.parametrize("chunk", [1000, 30])
@pytest.mark.parametrize("optimizer", ["plain", "adamw"])
def test_a_full_batch_again_and_again(optimizer, chunk, monkeypatch):
    """In one call as in several, to the bit."""
    monkeypatch.setattr(columns, "CACHE", 0)
    monkeypatch.setattr(columns, "CHUNK", chunk)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[optimizer], 75, "float32")
    rule = plan.optimizer
    state, inputs = draw(plan, False)
    coefficients = np.array([rule.coefficients(t, 5, t) for t in range(5)], "float32")
    together, losses = columns.Columns(plan)(state, inputs._replace(coefficients=coefficients))
    found, program = [], columns.Columns(plan)
    for t in range(5):
        state, J = program(state, inputs._replace(coefficients=coefficients[t : t + 1]))
        found.append(J)
    assert losses.shape == (5,) and np.array_equal(losses, np.concatenate(found))
    assert np.array_equal(numbers([*together]), numbers([*state]))


def test_an_epoch_in_several_calls():
    plan = plan_of("softmax", OPTIMIZERS["adam"], 16, "float32")
    state, inputs = draw(plan)
    program = columns.Columns(plan)
    whole, losses = program(state, inputs)
    first, some = program(state, epoch_chunk(plan, inputs, 0, 2))
    last, others = program(first, epoch_chunk(plan, inputs, 2, plan.steps))
    assert np.array_equal(losses, np.concatenate([some, others]))
    assert np.array_equal(numbers([*whole]), numbers([*last]))


def test_non_finite_numbers_come_through():
    for network in ("softmax", "sigmoid-softmax", "linear", "leaky-absolute"):
        plan = plan_of(network, OPTIMIZERS["plain"], 20, "float32")
        state, inputs = draw(plan)
        W, b = state.parameters[0]
        spoilt = TrainState([(np.full_like(W, np.nan), b), *state.parameters[1:]], state.slots)
        assert np.isnan(columns.Columns(plan)(spoilt, inputs)[1]).all()
        X = inputs.X.copy()
        X[3, 5] = np.nan
        losses = columns.Columns(plan)(state, inputs._replace(X=np.asfortranarray(X)))[1]
        assert np.isnan(losses).any() and np.isnan(losses[-1])


def test_what_a_larger_batch_has_left():
    """The last batch is smaller: what the one before has left in the rest of the buffers does not count."""
    plan = plan_of("softmax", OPTIMIZERS["plain"], 40, "float32", examples=41)
    state, inputs = draw(plan, False)
    X = inputs.X.copy()
    X[:, 1:40] = 1e3
    inputs = inputs._replace(X=np.asfortranarray(X), coefficients=np.array([[0.0], [0.1]], "float32"))
    assert not differences(plan, *both(plan, state, inputs))


def test_what_it_leaves_to_others(monkeypatch):
    for name, limit in zip(LIMITS, (288, 32, 16), strict=True):
        monkeypatch.setattr(columns, name, limit)

    def reason(sizes=(24, 8, 2), batch_size=20, weighted=False, hidden="tanh", examples=10**7):
        layers = [Layer(n, units, hidden) for n, units in itertools.pairwise(sizes)]
        layers[-1] = replace(layers[-1], activation="softmax")
        plan = Plan(
            tuple(layers), "cross_entropy", OPTIMIZERS["adam"], examples, batch_size, "float32", weighted
        )
        return columns.Columns.unsupported_reason(plan)

    assert reason() is None and reason((32, 8, 4)) is None and reason((2, 16, 16)) is None
    assert "weights" in reason(weighted=True)
    assert "few columns" in reason(batch_size=7) and reason(batch_size=8) is None
    for sizes in ((33, 2), (2, 17, 2), (32, 9, 1)):
        assert "matrix products" in reason(sizes)
    assert "threads" in reason(batch_size=5000) and reason(batch_size=4000) is None
    assert "done in batches" in reason(hidden="gelu")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log(dtype, from_python):
    x = np.concatenate(
        [[1.0], np.nextafter([1.0], 2), np.geomspace(1, 1e6, 3000), np.sqrt([2, 4, 8])]
    ).astype(dtype)
    found = np.array([from_python(math.log)(one) for one in x])
    expected = np.log(x.astype(np.longdouble))
    eps = np.finfo(dtype).eps
    assert abs(found - expected).max() <= 2 * eps * max(1, float(expected.max()))
    small = x < 1.5
    assert (abs(found - expected)[small] <= 3 * eps * expected[small]).all()
