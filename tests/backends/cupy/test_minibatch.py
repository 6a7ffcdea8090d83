"""The mini-batch program on a GPU computes what the reference computes."""

import numpy as np
import pytest

from gpunet.core.program import TrainState
from gpunet_cupy.programs.minibatch import MiniBatch
from random_plans import DESCENTS, NETWORKS, OPTIMIZERS, OTHERS, draw, map_arrays, numbers, plan_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network(network, make, check, monkeypatch):
    monkeypatch.setattr("gpunet_cupy.programs.minibatch.MAX_CHUNK", 16)  # larger batches: several chunks
    for batch_size in (1, 40):
        plan = plan_of(network, DESCENTS["plain"], batch_size, weighted=batch_size > 1)
        program = make(MiniBatch, plan)
        check(program, plan)
        check(program, plan, shuffled=False, seed=1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_rule(optimizer, make, check, thread_order):
    plan = plan_of("sigmoid-softmax", OPTIMIZERS[optimizer], 32)
    check(make(MiniBatch, plan), plan)


def test_a_last_layer_that_takes_whole_thread_blocks(make, check):
    plan = plan_of("wider", DESCENTS["plain"], 16, examples=40)
    check(make(MiniBatch, plan), plan)


def test_a_state_that_a_program_returned_is_packed_by_one_copy(fake, make):
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 20)
    program = make(MiniBatch, plan)
    state, inputs = map_arrays(fake.to_device, draw(plan))
    returned, _ = program(state, inputs)
    assert program.layout.packed(state.parameters) is None
    assert program.layout.packed(returned.parameters) is not None
    copied = TrainState(map_arrays(fake.to_device, returned.parameters), returned.slots)
    assert program.layout.packed(copied.parameters) is None
    assert np.array_equal(numbers(program(returned, inputs)), numbers(program(copied, inputs)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_full_batch_needs_no_order(dtype, make, check):
    plan = plan_of("relu-tanh-sigmoid", OTHERS["adam"], 75, dtype)
    program = make(MiniBatch, plan)
    check(program, plan)
    assert program.buffers.gathered.size == 0, "examples were gathered though all are summed"
    check(program, plan, used=50)  # a batch of some of the examples needs their order
    assert program.buffers.gathered.size > 0


@pytest.mark.parametrize("used", [64, 33])
def test_a_shorter_epoch(used, make, check):
    plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], 2)
    check(make(MiniBatch, plan), plan, used=used)


def test_short_of_memory_smaller_chunks_are_tried(fake, make, check, monkeypatch):
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 4000, examples=4000)
    monkeypatch.setitem(fake.MEMORY, "room", 1500 * 7 * 8)  # A[1] of at most 1,500 examples
    program = make(MiniBatch, plan)
    check(program, plan)
    assert program.chunk == 1000
    monkeypatch.setitem(fake.MEMORY, "room", 8)
    with pytest.raises(MemoryError):
        make(MiniBatch, plan)(*map_arrays(fake.to_device, draw(plan)))
