"""The programs that are one cooperative launch per epoch compute what the reference computes."""

from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.reference import Reference
from gpunet_cupy.programs.persistent import PersistentKernel
from gpunet_cupy.programs.persistent_blocked import PersistentBlockedSGD
from gpunet_cupy.programs.persistent_deep_blocked import PersistentDeepBlockedSGD
from random_plans import DESCENTS, NETWORKS, OPTIMIZERS, OTHERS, draw, map_arrays, plan_of

pytestmark = pytest.mark.slow

DEEP = [name for name in NETWORKS if len(NETWORKS[name]) > 2 and name != "wider"]
ONE_HIDDEN = [name for name in DEEP if len(NETWORKS[name]) == 3]
TWO_HIDDEN = [name for name in DEEP if len(NETWORKS[name]) == 4]


@pytest.mark.parametrize("network", DEEP)
def test_every_network(network, make, check, thread_order):
    for batch_size in (1, 40):
        plan = plan_of(network, DESCENTS["plain"], batch_size, weighted=batch_size > 1)
        program = make(PersistentKernel, plan)
        check(program, plan)
        check(program, plan, shuffled=False, seed=1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_rule(optimizer, make, check):
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[optimizer], 32)
    check(make(PersistentKernel, plan), plan)


@pytest.mark.parametrize(
    ("optimizer", "thread_order"),  # each network with both orders
    [(name, ("ascending", "descending")[i // 2 % 2]) for i, name in enumerate(OPTIMIZERS)],
    indirect=["thread_order"],
)
def test_a_penalty(optimizer, fake, make, check, monkeypatch, thread_order):
    """With every rule, one tile and many; thread blocks without a tile have weights of the last layer."""
    monkeypatch.setitem(fake.ATTRIBUTES, "MultiProcessorCount", 14)
    turn = list(OPTIMIZERS).index(optimizer)
    network, inputs = [("relu-tanh-sigmoid", 11), ("wide", 70), ("three-hidden", 131)][turn % 3]
    dtype, batch_size = [("float64", 30), ("float32", 75)][turn % 2]
    plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, dtype, inputs=inputs)
    plan = replace(plan, penalized=True)
    program = make(PersistentKernel, plan)
    check(program, plan)
    check(program, plan, shuffled=False, used=40)


@pytest.mark.parametrize(
    ("dtype", "inputs", "optimizer", "little"),
    [("float32", 130, "adamw", 100), ("float64", 131, "rmsprop", 190)],
)
def test_many_tiles_and_chunks(dtype, inputs, optimizer, little, fake, make, check, monkeypatch):
    """Layers of several rows and columns of tiles, whether all examples of a step fit or not."""
    monkeypatch.setitem(fake.ATTRIBUTES, "MultiProcessorCount", 14)
    plan = plan_of("three-hidden", OTHERS[optimizer], 60, dtype, examples=150, inputs=inputs)
    chunks = set()
    for kilobytes in (227, little):
        monkeypatch.setitem(fake.ATTRIBUTES, "MaxSharedMemoryPerBlockOptin", kilobytes * 1024)
        program = make(PersistentKernel, plan)
        chunks.add(program.launch.chunk)
        assert program.launch.thread_blocks == 14
        check(program, plan)
        check(program, plan, used=130)
    assert len(chunks) == 2


def test_gradients_have_the_error_of_float32(fake, make):
    """Products of TF32 parts; with a large rate, a step changes the weights by the gradient."""
    plan = plan_of("three-hidden", gn.GradientDescent(1e4), 75, "float32", inputs=130)
    given = draw(plan)
    state, _ = make(PersistentKernel, plan)(*map_arrays(fake.to_device, given))
    wide = map_arrays(lambda a: a.astype("float64") if a.dtype.kind == "f" else a, given)
    expected, _ = Reference(xp, replace(plan, dtype="float64"))(*wide)
    parameters = (s.parameters for s in (state, expected, wide[0]))
    for (W, _), (exact, _), (start, _) in zip(*parameters, strict=True):
        assert np.linalg.norm(np.array(W) - exact) < 1e-6 * np.linalg.norm(exact - start)


def test_large_batches(make, check):
    """Sums between hidden layers are then added up in phases of their own."""
    plan = plan_of("three-hidden", OTHERS["adam"], 300, examples=400)
    check(make(PersistentKernel, plan), plan)


def test_more_outputs_than_a_step_has_examples(fake, make, check, monkeypatch):
    """The last layer's update is spread over more thread blocks than the forward pass."""
    monkeypatch.setitem(fake.ATTRIBUTES, "MultiProcessorCount", 9)
    plan = plan_of("wide", OTHERS["rmsprop"], 2, examples=20)
    program = make(PersistentKernel, plan)
    assert program.launch.thread_blocks == 9
    check(program, plan)


@pytest.mark.parametrize("network", ONE_HIDDEN)
def test_blocked(network, make, check, thread_order):
    plan = plan_of(network, DESCENTS["plain"], 1, weighted=True)
    program = make(PersistentBlockedSGD, plan)
    check(program, plan)
    check(program, plan, shuffled=False, seed=1)


@pytest.mark.parametrize("descent", DESCENTS)
@pytest.mark.parametrize(
    ("program", "network"),
    [(PersistentBlockedSGD, "sigmoid-softmax"), (PersistentDeepBlockedSGD, "relu-tanh-sigmoid")],
)
def test_every_descent_in_blocks(program, network, descent, make, check):
    plan = plan_of(network, DESCENTS[descent], 1, weighted=True, examples=140)
    run = make(program, plan)
    check(run, plan)
    check(run, plan, used=129)
    check(run, plan, shuffled=False, seed=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocked_in_many_tiles(dtype, fake, make, check, monkeypatch):
    monkeypatch.setitem(fake.ATTRIBUTES, "MultiProcessorCount", 11)
    for optimizer in (gn.GradientDescent(gn.Cosine(0.05)), DESCENTS["nesterov"]):
        plan = plan_of("wide", optimizer, 1, dtype, examples=150, inputs=130)
        program = make(PersistentBlockedSGD, plan)
        check(program, plan)
        check(program, plan, used=65)


@pytest.mark.parametrize("network", TWO_HIDDEN)
def test_deep_blocked(network, make, check, thread_order):
    plan = plan_of(network, DESCENTS["plain"], 1, weighted=True)
    program = make(PersistentDeepBlockedSGD, plan)
    check(program, plan)
    check(program, plan, shuffled=False, seed=1)


@pytest.mark.parametrize(
    ("dtype", "thread_order"),  # the test above has every network in both orders
    [("float32", "descending"), ("float64", "ascending")],
    indirect=["thread_order"],
)
def test_deep_blocked_in_many_tiles(dtype, fake, make, check, monkeypatch, thread_order):
    """The second layer is spread over several thread blocks, of which the last is not full."""
    monkeypatch.setitem(fake.ATTRIBUTES, "MultiProcessorCount", 15)
    network = ((150, "relu"), (70, "tanh"), (5, "softmax"), "cross_entropy")
    monkeypatch.setitem(NETWORKS, "two-hidden", network)
    for optimizer in (gn.GradientDescent(gn.Cosine(0.05)), DESCENTS["momentum-decay"]):
        plan = plan_of("two-hidden", optimizer, 1, dtype, examples=150, inputs=130)
        program = make(PersistentDeepBlockedSGD, plan)
        members = program.launch.thread_blocks - program.launch.tiling.tiles
        assert members == {"float32": 3, "float64": 5}[dtype]
        check(program, plan)
        check(program, plan, used=65)


def test_tags_of_an_earlier_launch_are_not_taken_for_new_ones(make, check, thread_order):
    """Launches of one or two steps use the same tags in the same places."""
    plan = plan_of("relu-tanh-sigmoid", DESCENTS["plain"], 1, examples=2)
    program = make(PersistentDeepBlockedSGD, plan)
    for seed in range(5):
        check(program, plan, seed=seed)
