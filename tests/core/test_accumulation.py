"""J and gradients that are summed over parts of a batch, in float64: those of the batch."""

import itertools

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.accumulation import Accumulation, ColumnsInParts, Part, accumulated, parts_of
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import EpochInputs, TrainState
from gpunet.core.reference import Batch, Reference, batch_gradients

M, N, K = 23, 4, 3


def plan_of(batch_size=M, *, weighted=False, penalized=False, dropout=0.3, frozen=None):
    layers = (
        Layer(N, 6, "tanh", dropout, frozen != 0),
        Layer(6, 5, "relu", 0.0, frozen != 1),
        Layer(5, K, "softmax", 0.5 * bool(dropout)),
    )
    optimizer = gn.Adam(0.05, beta1=0.7, weight_decay=0.1)
    more = {"weighted": weighted, "penalized": penalized, "dtype": "float64"}
    return Plan(layers, "cross_entropy", optimizer, M, batch_size, in_parts=True, **more)


@pytest.fixture
def made(rng):
    """Columns X and Y, weights, parameters and dropout keys."""
    X, Y = rng.normal(size=(N, M)), np.eye(K)[rng.integers(0, K, M)].T
    sizes = [(6, N), (5, 6), (K, 5)]
    parameters = [(rng.normal(size=size), rng.normal(size=(size[0], 1))) for size in sizes]
    return X, Y, rng.uniform(0.5, 2, (1, M)), parameters, rng.integers(-99, 99, 3).astype("int32")


def cut(X, Y, weights, edges):
    for a, b in itertools.pairwise(edges):
        yield Part(X[:, a:b], Y[:, a:b], None if weights is None else weights[:, a:b])


def same_gradients(one, two):
    for found, expected in zip(one, two, strict=True):
        assert (found is None) == (expected is None)
        for a, b in zip(found or (), expected or (), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("edges", [[0, M], [0, 1, M], [0, 7, 14, 21, M], list(range(M + 1))])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("frozen", [None, 0, 1])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_batch_in_parts(dropout, frozen, weighted, edges, made):
    X, Y, weights, parameters, keys = made
    weights, keys = weights if weighted else None, keys if dropout else None
    plan = plan_of(weighted=weighted, frozen=frozen, dropout=dropout)
    expected = batch_gradients(np, plan, parameters, Batch(X, Y, weights, None, keys))
    given = [array.copy() for array in (X, Y) if array is not None]
    found = accumulated(np, plan, parameters, cut(X, Y, weights, edges), (0, M), keys)
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    same_gradients(found[1], expected[1])
    assert all(np.array_equal(a, b) for a, b in zip(given, (X, Y), strict=True))


def test_some_examples_of_a_batch(made):
    """What they add to its J and gradients; their masks are those of their columns."""
    X, Y, weights, parameters, keys = made
    plan = plan_of(weighted=True)
    expected = batch_gradients(np, plan, parameters, Batch(X, Y, weights, None, keys))
    lower = accumulated(np, plan, parameters, cut(X, Y, weights, [0, 3, 9]), (0, M), keys)
    upper = accumulated(np, plan, parameters, cut(X, Y, weights, [9, 20, M]), (9, M), keys)
    assert lower[0] + upper[0] == pytest.approx(expected[0], rel=1e-12)
    summed = [(a + c, b + d) for (a, b), (c, d) in zip(lower[1], upper[1], strict=True)]
    same_gradients(summed, expected[1])


class InParts(ColumnsInParts):
    """Parts of five examples, which end at multiples of five."""

    def __init__(self, X, Y, weights):
        self.columns = X, Y, weights
        self.shape = X.shape
        self.asked = []

    def parts(self, first, last):
        self.asked.append((first, last))
        edges = [first, *(edge for edge in range(5, last, 5) if edge > first), last]
        return cut(*self.columns, edges)


@pytest.mark.parametrize("batch_size", [M, 10, 5])
@pytest.mark.parametrize("penalized", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_program_is_the_reference(weighted, penalized, batch_size, made, rng):
    X, Y, weights, parameters, _ = made
    weights = weights if weighted else None
    plan = plan_of(batch_size, weighted=weighted, penalized=penalized)
    slots = [
        tuple(tuple(rng.uniform(0.1, 1, p.shape) for _ in range(plan.optimizer.slots)) for p in pair)
        for pair in parameters
    ]
    state = TrainState(parameters, slots)
    coefficients = np.array([plan.optimizer.coefficients(t, plan.steps, 3 + t) for t in range(plan.steps)])
    if penalized:
        coefficients = np.append(coefficients, np.linspace(0.1, 0.3, plan.steps)[:, None], axis=1)
    keys = rng.integers(-99, 99, (plan.steps, 3)).astype("int32")
    in_parts = InParts(X, Y, weights)
    found = Accumulation(np, plan)(state, EpochInputs(in_parts, None, None, None, coefficients, keys))
    expected = Reference(np, plan)(state, EpochInputs(X, Y, weights, None, coefficients, keys))
    assert in_parts.asked == plan.batches()
    assert Accumulation(np, plan).name == "accumulation"
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)
    for kind in ("parameters", "slots"):
        pairs = zip(getattr(found[0], kind), getattr(expected[0], kind), strict=True)
        for one, two in pairs:
            for a, b in zip(one, two, strict=True):
                np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-10, atol=1e-14)


def test_examples_that_are_all_there_are_one_part(made):
    X, Y, weights, _, _ = made
    order = np.array([4, 2, 9, 7], "int32")
    inputs = EpochInputs(X, Y, weights, order, None, None)
    (part,) = parts_of(np, inputs, 1, 3)
    for found, whole in zip(part, (X, Y, weights), strict=True):
        np.testing.assert_array_equal(found, whole[:, [2, 9]])
