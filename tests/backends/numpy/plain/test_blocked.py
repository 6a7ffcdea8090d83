"""Blocked SGD in plain NumPy computes what the reference computes."""

from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.reference import Reference
from gpunet_numpy.plain.blocked import Blocked
from random_plans import DESCENTS, FROZEN, NETWORKS, OTHERS, differences, draw, numbers, plan_of


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("descent", DESCENTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_descent(network, descent, batch_size):
    for weighted, shuffled, used in ((False, True, None), (True, False, None), (True, True, 48)):
        plan = plan_of(network, DESCENTS[descent], batch_size, weighted=weighted)
        assert Blocked.unsupported_reason(plan) is None
        state, inputs = draw(plan, shuffled, used)
        before = numbers(state)
        got = Blocked(plan)(state, inputs)
        assert not differences(plan, got, Reference(xp, plan)(state, inputs))
        assert np.array_equal(numbers(state), before)


@pytest.mark.parametrize("frozen", [name for name, layers in FROZEN.items() if 0 not in layers])
@pytest.mark.parametrize("descent", DESCENTS)
def test_frozen_layers(descent, frozen):
    plan = plan_of("deep-absolute", DESCENTS[descent], 3, weighted=True, frozen=FROZEN[frozen])
    assert Blocked.unsupported_reason(plan) is None
    state, inputs = draw(plan)
    got = Blocked(plan)(state, inputs)
    assert not differences(plan, got, Reference(xp, plan)(state, inputs))
    for l in FROZEN[frozen]:
        assert got[0].parameters[l] == state.parameters[l]  # the same arrays


@pytest.mark.parametrize("name", ["gelu", "softplus", "silu", "mish", "elu", "selu"])
def test_any_activation(name):
    layers = (Layer(7, 5, name), Layer(5, 4, name), Layer(4, 3, "softmax"))
    plan = Plan(layers, "cross_entropy", gn.GradientDescent(0.1, 0.5), 150, 2, "float64")
    given = draw(plan)
    assert not differences(plan, Blocked(plan)(*given), Reference(xp, plan)(*given))


def test_float32_stays():
    plan = plan_of("wide", DESCENTS["momentum-decay"], 4, "float32")
    given = draw(plan)
    state, losses = Blocked(plan)(*given)
    assert not differences(plan, (state, losses), Reference(xp, plan)(*given))
    assert losses.dtype == "float32"
    assert all(p.dtype == "float32" for pair in state.parameters for p in pair)
    assert all(v.dtype == "float32" for pair in state.slots for one in pair for v in one)


def test_a_run_repeats_bit_for_bit():
    plan = plan_of("relu-tanh-sigmoid", DESCENTS["momentum"], 1, "float32")
    first, second = (numbers(Blocked(plan)(*draw(plan))) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (plan_of("wide", OTHERS["adam"], 1), "Adam is not linear"),
        (plan_of("wide", gn.GradientDescent(clip_norm=1.0), 1), "clipping"),
        (plan_of("wide", DESCENTS["plain"], 17), "above 16"),
        (plan_of("wide", DESCENTS["plain"], 1, frozen=(0,)), "the first layer is frozen"),
    ],
)
def test_what_it_does_not_support(plan, words):
    assert words in Blocked.unsupported_reason(plan)


def test_a_penalty_is_not_done_in_blocks():
    plan = plan_of("softmax", DESCENTS["plain"], 1)
    assert Blocked.unsupported_reason(plan) is None
    assert "L2 penalty" in Blocked.unsupported_reason(replace(plan, penalized=True))
