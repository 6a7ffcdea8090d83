"""What all programs have in common: epochs in chunks, numbers that are not finite, repetition, devices."""

from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import cuda_on_cpu
from gpunet.core.reference import Reference
from gpunet_cupy.programs.blocked import BlockedSGD
from gpunet_cupy.programs.minibatch import MiniBatch
from gpunet_cupy.programs.persistent import PersistentKernel
from gpunet_cupy.programs.persistent_blocked import PersistentBlockedSGD
from gpunet_cupy.programs.persistent_deep_blocked import PersistentDeepBlockedSGD
from random_plans import (
    DESCENTS,
    OTHERS,
    chunk_as_it_stands,
    differences,
    draw,
    epoch_chunk,
    map_arrays,
    numbers,
    plan_of,
)

pytestmark = pytest.mark.slow

# Each with a schedule, and with more steps than its largest block or chunk.
SCHEDULED = [
    (PersistentBlockedSGD, "sigmoid-softmax", DESCENTS["plain"], 1),
    (PersistentDeepBlockedSGD, "relu-tanh-sigmoid", DESCENTS["plain"], 1),
    (PersistentBlockedSGD, "sigmoid-softmax", DESCENTS["nesterov"], 1),
    (PersistentDeepBlockedSGD, "relu-tanh-sigmoid", DESCENTS["momentum-decay"], 1),
    (BlockedSGD, "relu-tanh-sigmoid", DESCENTS["nesterov"], 3),
    (BlockedSGD, "softmax", DESCENTS["momentum-decay"], 1),
    (PersistentKernel, "relu-tanh-sigmoid", OTHERS["rmsprop"], 7),
    (PersistentKernel, "sigmoid-softmax", OTHERS["adamw"], 4),
    (MiniBatch, "sigmoid-softmax", OTHERS["adamw"], 4),
    (MiniBatch, "softmax", OTHERS["rmsprop"], 7),
]
CASES = pytest.mark.parametrize(
    ("program", "network", "optimizer", "batch_size"),
    SCHEDULED,
    ids=lambda value: getattr(value, "name", None) or str(value).partition("(")[0],
)


@CASES
@pytest.mark.parametrize("chunk", [epoch_chunk, chunk_as_it_stands])
def test_an_epoch_in_two_chunks_is_the_epoch(chunk, program, network, optimizer, batch_size, fake, make):
    """Each chunk has its own order or examples, and coefficients; the state goes from one to the next."""
    plan = plan_of(network, optimizer, batch_size, weighted=True)
    state, inputs = draw(plan)
    expected = Reference(xp, plan)(state, inputs)
    run, half = make(program, plan), plan.steps // 2 + 1
    state, losses = map_arrays(fake.to_device, state), []
    for first, last in ((0, half), (half, plan.steps)):
        state, some = run(state, map_arrays(fake.to_device, chunk(plan, inputs, first, last)))
        losses.append(some)
    assert differences(plan, (state, np.concatenate(losses)), expected) == {}


def epochs_of(plan, count):
    """The state, and the inputs of so many epochs, one by one: each with its own order, rates and dropout keys."""
    state, inputs = draw(plan)
    each = []
    for epoch in range(count):
        rng = np.random.default_rng(epoch)
        steps = [
            plan.optimizer.coefficients(i, count * plan.steps, i)
            for i in range(epoch * plan.steps, (epoch + 1) * plan.steps)
        ]
        keys = rng.integers(-(2**31), 2**31, (plan.steps, len(plan.layers)), dtype=np.int32)
        each.append(
            inputs._replace(
                order=rng.permutation(plan.examples).astype(np.int32) if plan.steps > 1 else None,
                coefficients=np.array(steps, dtype=plan.dtype),
                dropout_keys=keys if plan.uses_dropout else None,
            )
        )
    return state, each


def joined(each):
    """The inputs of several epochs as those of one call."""
    together = {
        name: None if getattr(each[0], name) is None else np.concatenate([getattr(one, name) for one in each])
        for name in ("order", "coefficients", "dropout_keys")
    }
    return each[0]._replace(**together)


def require_same_bits(fake, program, plan, sizes):
    """Calls of so many epochs each give what calls of one epoch each give, and all is as the reference has it."""
    state, each = epochs_of(plan, sum(sizes))
    X, Y = fake.to_device(each[0].X.T).T, fake.to_device(each[0].Y.T).T
    data = {"X": X, "Y": Y, "example_weights": fake.to_device(each[0].example_weights)}
    results = []
    for calls in ([1] * len(each), sizes):
        now, losses, first = map_arrays(fake.to_device, state), [], 0
        for count in calls:
            inputs = map_arrays(fake.to_device, joined(each[first : first + count]))._replace(**data)
            now, some = program(now, inputs)
            losses, first = [*losses, np.asarray(some)], first + count
        results.append((now, np.concatenate(losses)))
    one_by_one, together = results
    assert np.array_equal(numbers(one_by_one), numbers(together))
    expected, losses = state, []
    for inputs in each:
        expected, some = Reference(xp, plan)(expected, inputs)
        losses.append(some)
    assert differences(plan, together, (expected, np.concatenate(losses))) == {}


@CASES
def test_several_epochs_in_one_call(program, network, optimizer, batch_size, fake, make):
    """To the bit as in a call each: neither a batch nor a block has examples of two epochs."""
    plan = plan_of(
        network, optimizer, batch_size, weighted=True, examples={1: 64, 3: 63, 4: 24, 7: 42}[batch_size]
    )
    run = make(program, plan)
    assert run.epochs_together >= 3
    require_same_bits(fake, run, plan, (3, 1, 2))
    for examples in (65,) if run.block_steps > 1 else (2 * batch_size + 1,) if batch_size > 1 else ():
        assert make(program, replace(plan, examples=examples)).epochs_together == 1


@CASES
@pytest.mark.parametrize("where", ["W", "X", "Y", "rate", "bias"])
def test_what_is_not_finite_shows_at_the_same_step(
    where, program, network, optimizer, batch_size, fake, make
):
    """A maximum or a comparison must not swallow NaN, and steps before it must not see it."""
    plan = plan_of(network, optimizer, batch_size)
    state, inputs = draw(plan)
    parameters, example = list(state.parameters), inputs.order[40]
    if where == "W":
        parameters[0] = (np.full_like(parameters[0][0], np.nan), parameters[0][1])
    elif where == "bias":
        parameters[-1] = (parameters[-1][0], np.full_like(parameters[-1][1], np.inf))
    elif where == "rate":
        inputs.coefficients[40 // batch_size] = np.nan
    else:
        getattr(inputs, where)[1, example] = np.nan
    state = state._replace(parameters=parameters)
    with np.errstate(all="ignore"):
        _, expected = Reference(xp, plan)(state, inputs)
        _, losses = make(program, plan)(*map_arrays(fake.to_device, (state, inputs)))
    losses = np.asarray(losses)
    assert not np.isfinite(expected).all()
    assert np.array_equal(np.isfinite(losses), np.isfinite(expected))
    finite = np.isfinite(expected)
    assert np.allclose(losses[finite], expected[finite], rtol=1e-10)


@CASES
def test_a_run_repeats_bit_for_bit(program, network, optimizer, batch_size, fake, make):
    plan = plan_of(network, optimizer, batch_size, "float32")
    run = make(program, plan)
    first, second = (numbers(run(*map_arrays(fake.to_device, draw(plan)))) for _ in range(2))
    assert np.array_equal(first, second)


@CASES
def test_all_work_is_done_on_the_device_of_the_run(
    program, network, optimizer, batch_size, fake, make, check, monkeypatch
):
    """Arrays, products and launches are those of the run's device, and the caller's is current again afterwards."""
    used = set()

    def on_current_device(function):
        def recorded(*arguments, **options):
            used.add(fake.current_device())
            return function(*arguments, **options)

        return recorded

    import cupy

    for owner, names in ((cupy, ("empty", "zeros", "ascontiguousarray")), (cupy.cublas, ("gemm",))):
        for name in names:
            monkeypatch.setattr(owner, name, on_current_device(getattr(owner, name)))
    monkeypatch.setattr(cuda_on_cpu.Kernel, "kernel", on_current_device(cuda_on_cpu.Kernel.kernel))
    plan = plan_of(network, optimizer, batch_size, examples=20)
    run = make(program, plan, "cuda:1")
    with fake.Device(2):
        check(run, plan)
        assert fake.CURRENT.devices == [2]
    assert used == {1}


FULL = {
    "sums": ("sigmoid-softmax", {}),
    "dropout": ("relu-tanh-sigmoid", {}),
    "output with a product": ("softmax", {}),
    "chunks": ("wide", {"MAX_CHUNK": 16}),
    "graphs": ("sigmoid-softmax", {"MAX_GRAPH": 4}),
    "long steps": ("sigmoid-softmax", {"LONG_STEP": 1}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", FULL)
def test_full_batches_in_one_call_need_no_order(case, dtype, fake, make, monkeypatch):
    """X, Y and weights are used as they stand in every step, which has its own rate and keys."""
    network, constants = FULL[case]
    for name, value in constants.items():
        monkeypatch.setattr(f"gpunet_cupy.programs.minibatch.{name}", value)
    plan = plan_of(network, OTHERS["adamw"], 40, dtype, weighted=True, examples=40)
    if case == "dropout":
        plan = replace(plan, layers=tuple(replace(layer, dropout=0.3) for layer in plan.layers))
    program = make(MiniBatch, plan)
    assert program.repeats_full_batch and program.epochs_together >= 7
    require_same_bits(fake, program, plan, (5, 7, 1))
    assert program.epoch.order.size == 40
    replayed = {"chunks": [], "long steps": [], "graphs": [(1, True), (2, True)]}
    assert sorted(program.graphs) == replayed.get(case, [(1, True), (5, True)])
