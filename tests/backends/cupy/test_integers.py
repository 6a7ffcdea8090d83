"""X of small integers stays so on the device, and leads to the bits that the numbers lead to."""

from dataclasses import replace
from types import SimpleNamespace

import array_api_compat.numpy as xp
import numpy as np
import pytest

from gpunet_cupy.programs.blocked import BlockedSGD
from gpunet_cupy.programs.minibatch import MiniBatch
from gpunet_cupy.programs.persistent import PersistentKernel
from integer_inputs import both
from random_plans import DESCENTS, OTHERS, draw, map_arrays, numbers, plan_of

pytestmark = pytest.mark.slow


@pytest.fixture
def placement(fake):
    """A device of the fake CuPy."""
    return SimpleNamespace(xp=xp, to_device=fake.to_device)


@pytest.fixture
def same(fake, placement):
    """``same(program, plan, dtype, per)``: both ways to give X lead to the same bits."""

    def same(program, plan, dtype, per, keys=None, center=True, **drawn):
        state, inputs = map_arrays(fake.to_device, draw(plan, **drawn))
        if keys is not None:
            inputs = inputs._replace(dropout_keys=fake.to_device(keys))
        integers, array = both(plan, inputs, dtype, per, placement, center)
        for _ in range(2):  # the second time from a graph, or with what is kept of X
            found, wanted = (numbers(program(state, one)) for one in (integers, array))
            assert np.isfinite(wanted).all()
            assert np.array_equal(found, wanted)

    return same


KINDS = [("uint8", "feature"), ("int8", None), ("bool", "set"), ("uint16", "feature"), ("int16", "set")]


@pytest.mark.parametrize(("dtype", "per"), KINDS)
@pytest.mark.parametrize("program", [MiniBatch, PersistentKernel, BlockedSGD])
def test_the_same_bits(program, dtype, per, make, same):
    """Features in fours and not, batches that the chunks divide and not, in the order of the rows and in another."""
    turn = KINDS.index((dtype, per)) + [MiniBatch, PersistentKernel, BlockedSGD].index(program)
    inputs, batch_size = ((12, 10), (11, 7), (133, 4), (132, 10))[turn % 4]
    precision = ("float32", "float64")[turn % 2]
    rule = (DESCENTS["momentum"], DESCENTS["plain"])[turn // 2 % 2]
    plan = plan_of("sigmoid-softmax", rule, batch_size, precision, weighted=turn % 3 == 0, inputs=inputs)
    run = make(program, plan)
    same(run, plan, dtype, per, center=turn % 2 == 0)
    same(run, plan, dtype, per, shuffled=False, seed=1)
    same(run, plan, dtype, per, used=30)


@pytest.mark.parametrize("per", [None, "feature"])
def test_batches_larger_than_a_chunk_of_the_persistent_kernel(
    per, fake, make, same, monkeypatch, thread_order
):
    monkeypatch.setattr("gpunet_cupy.programs.persistent.CHUNKS", (32,))
    for inputs in (130, 132):
        plan = plan_of("wide", OTHERS["adam"], 70, "float32", inputs=inputs)
        same(make(PersistentKernel, plan), plan, "uint8", per)


@pytest.mark.parametrize("per", [None, "feature"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_full_batches_and_chunks_of_them(dtype, per, make, same, monkeypatch):
    plan = plan_of("relu-tanh-sigmoid", OTHERS["rmsprop"], 75, dtype, inputs=12)
    program = make(MiniBatch, plan)
    same(program, plan, "uint8", per)
    assert program.work.products.inputs[0].size == 0, "examples were gathered in every step"
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_CHUNK", 16)
    same(make(MiniBatch, plan), plan, "uint8", per)


def test_dropout_of_the_inputs(make, same):
    plan = plan_of("wide", OTHERS["adam"], 20, "float32", inputs=16)
    plan = replace(plan, layers=(replace(plan.layers[0], dropout=0.3), *plan.layers[1:]))
    keys = np.random.default_rng(0).integers(-(2**31), 2**31, (plan.steps, 2), dtype=np.int32)
    same(make(MiniBatch, plan), plan, "uint8", "feature", keys)


def test_rows_at_an_address_that_vectors_may_not_have(fake, make, placement):
    """The fours of a kernel begin at multiples of their size."""
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 10, "float32", inputs=12)
    state, inputs = map_arrays(fake.to_device, draw(plan))
    integers, array = both(plan, inputs, "uint8", None, placement)
    room = fake.to_device(np.zeros(integers.X.rows.size + 1, np.uint8))
    moved = room[1:].reshape(integers.X.rows.shape)
    moved[...] = integers.X.rows
    integers.X.rows = moved
    assert moved.data.ptr % 4
    program = make(PersistentKernel, plan)
    assert np.array_equal(numbers(program(state, integers)), numbers(program(state, array)))


def test_integers_in_the_place_of_numbers(fake, make, placement):
    """A graph that was captured for numbers is not for integers that lie where they lay."""
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 10, "float32", inputs=12)
    state, inputs = map_arrays(fake.to_device, draw(plan))
    integers, array = both(plan, inputs, "uint8", None, placement)
    program, rows = make(MiniBatch, plan), integers.X.rows.copy()
    place = fake.to_device(np.ascontiguousarray(array.X.T))
    wanted = numbers(program(state, array._replace(X=place.T)))
    integers.X.rows = place.reshape(-1).view(np.uint8)[: rows.size].reshape(rows.shape)
    integers.X.rows[...] = rows
    assert np.array_equal(numbers(program(state, integers)), wanted)
