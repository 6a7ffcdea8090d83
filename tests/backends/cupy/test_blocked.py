"""Blocked SGD on a GPU computes what the reference computes, step for step."""

import pytest

from gpunet_cupy.programs.blocked import BlockedSGD
from random_plans import DESCENTS, NETWORKS, plan_of

pytestmark = pytest.mark.slow

SHALLOW = [name for name in NETWORKS if len(NETWORKS[name]) < 5 and name != "wider"]


@pytest.mark.parametrize("network", SHALLOW)
def test_single_examples(network, make, check, thread_order):
    plan = plan_of(network, DESCENTS["plain"], 1)
    check(make(BlockedSGD, plan), plan)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("descent", DESCENTS)
def test_every_rule(descent, batch_size, make, check):
    for network in ("relu-tanh-sigmoid", "linear"):
        plan = plan_of(network, DESCENTS[descent], batch_size, weighted=True)
        program = make(BlockedSGD, plan)
        check(program, plan)
        check(program, plan, shuffled=False, seed=1)


def test_float32_and_the_largest_batch(make, check):
    for batch_size in (1, 16):
        plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], batch_size, "float32")
        check(make(BlockedSGD, plan), plan)


def test_blocks_shrink_to_the_shared_memory_there_is(fake, make, check, monkeypatch):
    plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], 3)
    monkeypatch.setitem(fake.ATTRIBUTES, "MaxSharedMemoryPerBlockOptin", 20_000)
    program = make(BlockedSGD, plan)
    assert 0 < program.block < 63 and program.block % 3 == 0 and program.shared_bytes <= 20_000
    check(program, plan)


@pytest.mark.parametrize("used", [64, 33])
def test_a_shorter_epoch(used, make, check):
    plan = plan_of("sigmoid-softmax", DESCENTS["momentum"], 2)
    check(make(BlockedSGD, plan), plan, used=used)
