"""Several epochs in one call give what they give one by one, to the bit, and what the reference gives."""

import itertools

import array_api_compat.numpy as xp
import numpy as np
import pytest

from gpunet.core.reference import Reference
from gpunet_numpy.compiled.blocked import program as blocked
from gpunet_numpy.compiled.columns import program as columns
from gpunet_numpy.compiled.minibatch import program as minibatch
from gpunet_numpy.compiled.tiny import program as tiny
from random_plans import OPTIMIZERS, differences, draw, numbers, plan_of, with_penalty

pytestmark = pytest.mark.slow

EPOCHS, EXAMPLES = 3, 75
# Batches of equal size, a smaller last one, and one alone
SIZES = {
    "minibatch": (25, 32, EXAMPLES),
    "columns": (25, 32, EXAMPLES),
    "tiny": (1, 5, 8),
    "blocked": (1, 5, 8),
}
PROGRAMS = {
    "minibatch": minibatch.MiniBatch,
    "columns": columns.Columns,
    "tiny": tiny.Tiny,
    "blocked": blocked.Blocked,
}


def drawn(plan, shuffled, data=None):
    """A state and the inputs of all epochs: other orders and coefficients in each, if examples are shuffled."""
    state, inputs = draw(plan, shuffled, **(data or {}))
    steps = EPOCHS * plan.steps
    c = np.array([plan.optimizer.coefficients(i, 100, i) for i in range(steps)], dtype=plan.dtype)
    orders = [np.random.default_rng(e).permutation(plan.examples).astype(np.int32) for e in range(EPOCHS)]
    if not shuffled and plan.steps > 1:
        orders = [np.arange(plan.examples, dtype=np.int32)] * EPOCHS
    repeated = not shuffled and plan.steps == 1
    return state, inputs._replace(order=None if repeated else np.concatenate(orders), coefficients=c)


def one_by_one(program, plan, state, inputs):
    """The result of a program that is called for each epoch."""
    losses, steps, order = [], plan.steps, inputs.order
    for e in range(EPOCHS):
        examples, some = slice(e * plan.examples, (e + 1) * plan.examples), slice(e * steps, (e + 1) * steps)
        epoch = inputs._replace(
            order=None if order is None else order[examples], coefficients=inputs.coefficients[some]
        )
        state, J = program(state, epoch)
        losses.append(J)
    return state, np.concatenate(losses)


def check(name, plan, state, inputs):
    assert PROGRAMS[name].unsupported_reason(plan) is None
    with np.errstate(all="ignore"):
        found = PROGRAMS[name](plan)(state, inputs)
        singly = one_by_one(PROGRAMS[name](plan), plan, state, inputs)
        expected = Reference(xp, plan)(state, inputs)
    assert np.array_equal(numbers([*found]), numbers([*singly]))
    assert not differences(plan, found, expected)
    assert len(found[1]) == EPOCHS * plan.steps


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize("optimizer", ["plain", "momentum-decay"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_together(name, optimizer, shuffled, on_threads, monkeypatch):
    for size, threads in itertools.product(SIZES[name], (1, 2)):
        on_threads(threads)
        if name == "columns":
            for limit in ("WEIGHTS", "INPUTS", "UNITS"):
                monkeypatch.setattr(columns, limit, 10**6)
            monkeypatch.setattr(columns, "CACHE", 0)
            monkeypatch.setattr(columns, "CHUNK", 16 if threads > 1 else 1000)
        plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[optimizer], size, "float64", examples=EXAMPLES)
        check(name, plan, *drawn(plan, shuffled))


@pytest.mark.parametrize("data", [{}, {"constant": 0.8}, {"constant": 0.8, "offset": -0.6}])
@pytest.mark.parametrize("share", ["neurons", "examples", "to the end"])
def test_however_threads_share_a_batch_out(share, data, on_threads):
    """Adam with a penalty, and example weights, which are not in the epoch's order."""
    settings = {
        "neurons": {"NEURONS": 1, "EXAMPLES_PER_NEURON": 10**9},
        "examples": {"NEURONS": 1000},
        "to the end": {"NEURONS": 1000, "CHUNK": 10, "FEWEST": 7, "SPARSE_CHUNK": 8},
    }
    for size, shuffled in itertools.product((32, EXAMPLES), (True, False)):
        on_threads(3, **settings[share])
        plan = plan_of("softmax", OPTIMIZERS["adam"], size, "float64", True, examples=EXAMPLES)
        state, inputs = drawn(plan, shuffled, data)
        penalties = np.linspace(0.1, 0.3, len(inputs.coefficients))[:, None]
        plan, _ = with_penalty(plan, draw(plan)[1])
        check(
            "minibatch",
            plan,
            state,
            inputs._replace(coefficients=np.hstack([inputs.coefficients, penalties])),
        )
