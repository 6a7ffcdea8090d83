"""Parts of the reference program that no other test reaches alone."""

from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

from gpunet.core.reference import batch_cost, batch_of, step
from random_plans import NETWORKS, OTHERS, draw, plan_of, with_penalty


@pytest.mark.parametrize("penalized", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_cost_of_a_batch_is_that_of_its_step(network, dropout, penalized):
    plan = plan_of(network, OTHERS["adam"], 20, weighted=True)
    plan = replace(plan, layers=tuple(replace(layer, dropout=dropout) for layer in plan.layers))
    state, inputs = draw(plan)
    if penalized:
        plan, inputs = with_penalty(plan, inputs)
    if dropout:
        keys = np.random.default_rng(0).integers(
            -(2**31), 2**31, (plan.steps, len(plan.layers)), dtype=np.int32
        )
        inputs = inputs._replace(dropout_keys=keys)
    for t, (first, last) in enumerate(plan.batches()):
        batch = batch_of(xp, inputs, t, first, last)
        assert batch_cost(xp, plan, state.parameters, batch) == step(xp, plan, state, batch)[1]
