"""The interface of programs: choosing one, and what an epoch's inputs say about themselves."""

from dataclasses import replace

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import SUPPORTED, EpochInputs, Program, TrainState, first_supported
from gpunet.core.reference import Reference
from random_plans import draw, numbers

PLAN = Plan((Layer(2, 3, "softmax"),), "cross_entropy", gn.Adam(), 8, 4)


class Small(Program):
    name = "small"

    @classmethod
    def unsupported_reason(cls, plan, device="cpu"):
        return None if plan.examples < 5 else "more than 4 examples"

    def __call__(self, state, inputs):
        return state, np.zeros(1)


class OnDevice(Small):
    name = "on one device"

    @classmethod
    def unsupported_reason(cls, plan, device="cpu"):
        return None if device == "cuda:1" else f"not on {device}"


class Anything(Program):
    name = "anything"

    def __call__(self, state, inputs):
        return state, np.ones(1)


def test_the_first_that_supports_the_plan():
    assert first_supported([Small, OnDevice, Anything], PLAN, "cuda:1") == (OnDevice, SUPPORTED)
    assert first_supported([Small, OnDevice, Anything], PLAN, "cpu") == (Anything, SUPPORTED)
    assert first_supported([Anything, OnDevice], PLAN, "cuda:1") == (Anything, SUPPORTED)


def test_without_any_there_are_all_reasons():
    program, reason = first_supported([Small, OnDevice], PLAN, "cpu")
    assert program is None
    assert reason == "small: more than 4 examples; on one device: not on cpu"
    assert first_supported([], PLAN, "cpu") == (None, "")


def test_a_program_knows_its_plan_and_device():
    program = Anything(PLAN, "cuda:1")
    assert (program.plan, program.device, program.name) == (PLAN, "cuda:1", "anything")
    assert Anything(PLAN).device == "cpu"
    assert Reference.name == "reference"  # what the history says of it
    assert Anything.unsupported_reason(PLAN) is None
    with pytest.raises(TypeError, match="abstract"):
        Program(PLAN)
    assert Reference(np, PLAN).plan is PLAN


@pytest.mark.parametrize(("order", "examples"), [(None, 8), ([5, 2, 7], 3), ([], 0)])
def test_the_examples_of_an_epoch(order, examples):
    order = None if order is None else np.array(order, dtype="int32")
    inputs = EpochInputs(np.zeros((2, 8)), np.zeros((3, 8)), None, order, np.zeros((2, 3)), None)
    assert inputs.examples == examples
    assert type(inputs.examples) is int


def test_a_part_of_an_epoch_has_the_steps_of_its_examples():
    """The reference runs as many steps as the order is long, and leaves the state that came in as it was."""
    import array_api_compat.numpy as xp

    for used, steps in ((8, 2), (5, 2), (4, 1), (3, 1)):
        state, inputs = draw(PLAN, used=used)
        kept = [W.copy() for W, _ in state.parameters]
        new, losses = Reference(xp, PLAN)(state, inputs)
        assert losses.shape == (steps,)
        assert isinstance(new, TrainState)
        assert np.array_equal(state.parameters[0][0], kept[0])
        assert not np.array_equal(new.parameters[0][0], kept[0])


def test_a_full_batch_is_repeated_for_each_step():
    """Epochs of one step in one call, with a loss for each; other examples are used once."""
    import array_api_compat.numpy as xp

    plan = replace(PLAN, batch_size=8)
    state, inputs = draw(plan, shuffled=False)
    coefficients = np.array([plan.optimizer.coefficients(t, 3, t) for t in range(3)], "float32")
    reference, one_by_one, losses = Reference(xp, plan), state, []
    for c in coefficients:
        one_by_one, J = reference(one_by_one, inputs._replace(coefficients=c[None]))
        losses.append(J)
    together = inputs._replace(coefficients=coefficients)
    assert (inputs.repeats(plan), together.repeats(plan)) == (1, 3)
    new, found = reference(state, together)
    assert np.array_equal(numbers(new), numbers(one_by_one))
    assert np.array_equal(found, np.concatenate(losses))
    assert together._replace(order=np.arange(8)).repeats(plan) == 1
    assert together.repeats(PLAN) == 1  # two steps an epoch


def test_batches_of_a_part():
    assert PLAN.batches() == [(0, 4), (4, 8)]
    assert PLAN.batches(5) == [(0, 4), (4, 5)]
    assert PLAN.batches(0) == []
