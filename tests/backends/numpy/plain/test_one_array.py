"""Steps with all parameters in one array give the reference's bits."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.reference import Reference
from gpunet_numpy.plain.namespace import xp
from gpunet_numpy.plain.one_array import NUMBERS, pays, steps
from gpunet_numpy.plain.reference import PlainReference
from random_plans import NETWORKS, draw, numbers, plan_of, with_penalty

RULES = {
    "adam": gn.Adam(gn.Cosine(0.01), beta1=0.8, beta2=0.93, epsilon=1e-3),
    "adamw": gn.AdamW(0.01, beta1=0.7, beta2=0.98, epsilon=1e-4, weight_decay=0.0),
    "rmsprop": gn.RMSprop(0.01, decay=0.75, epsilon=1e-2),
    "momentum": gn.GradientDescent(gn.Cosine(0.05), 0.7),
    "nesterov": gn.GradientDescent(0.05, 0.8, nesterov=True),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("penalized", "transposed"), [(False, False), (False, True), (True, True)])
def test_the_same_bits(penalized, transposed, network, rule, dtype):
    for batch_size, shuffled, used in ((20, True, 50), (75, False, None)):
        plan = plan_of(network, RULES[rule], batch_size, dtype, weighted=shuffled)
        state, inputs = draw(plan, shuffled, used)
        if penalized:
            plan, inputs = with_penalty(plan, inputs)
        if transposed:  # in memory, as the estimators' weights are
            state = state._replace(parameters=[(np.asfortranarray(W), b) for W, b in state.parameters])
        if plan.steps == 1:  # a full batch, three times
            inputs = inputs._replace(coefficients=np.repeat(inputs.coefficients, 3, axis=0))
        before = numbers(state)
        (new, losses), (expected, J) = steps(xp, plan, state, inputs), Reference(xp, plan)(state, inputs)
        assert np.array_equal(numbers(new), numbers(expected)) and np.array_equal(losses, J)
        assert len(losses) == 3 and losses.dtype == dtype
        assert [[a.shape for a in pair] for pair in new.parameters] == [
            [a.shape for a in pair] for pair in state.parameters
        ]
        assert np.array_equal(numbers(state), before)


@dataclass(frozen=True)
class ByArray(gn.Adam):
    """A user's own rule, which may look at the whole of a parameter."""


def test_where_it_pays():
    def plan(optimizer=gn.Adam(), units=8, **more):  # noqa: B008
        layers = (Layer(24, units, "tanh"), Layer(units, 2, "softmax", trainable=more.pop("trainable", True)))
        return replace(Plan(layers, "cross_entropy", optimizer, 200, 50), **more)

    assert pays(plan()) and PlainReference(plan()).in_one_array
    for rule in RULES.values():
        assert pays(plan(rule))
    for rule in (gn.GradientDescent(0.1), gn.AdamW(), gn.Adam(clip_norm=1.0), ByArray()):
        assert not pays(plan(rule))
    assert pays(plan(penalized=True)) and not pays(plan(trainable=False))
    largest = (NUMBERS - 2) // 27
    assert pays(plan(units=largest)) and not pays(plan(units=largest + 1))
