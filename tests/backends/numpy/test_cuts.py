"""An epoch that is cut after a multiple of a program's blocks gives the same bits: a run can stop there, and go on."""

import array_api_compat.numpy as xp
import numpy as np
import pytest

from gpunet.core.reference import Reference
from gpunet_numpy.plain.accumulation import Accumulation
from gpunet_numpy.plain.blocked import Blocked
from gpunet_numpy.plain.reference import PlainReference
from random_plans import NETWORKS, OPTIMIZERS, SELF_GATED, draw, epoch_chunk, numbers, plan_of, sparse

EXAMPLES = 300
PLAIN = {"plain blocked": Blocked, "accumulation": Accumulation, "plain": PlainReference}
COMPILED = [
    "columns.program:Columns",
    "tiny.program:Tiny",
    "blocked.program:Blocked",
    "minibatch.program:MiniBatch",
]
SPARSE = "sparse_rows.program:SparseRows"


def cut(program, plan, state, inputs, ends):
    """The epoch in parts that end before these steps."""
    losses, first = [], 0
    for last in (*ends, plan.steps):
        state, some = program(state, epoch_chunk(plan, inputs, first, last))
        losses.append(some)
        first = last
    return state, np.concatenate(losses)


def check(kind, network, optimizer, batch_size, dtype, data, sparse_rows=False):
    rng = np.random.default_rng([len(network), len(optimizer), batch_size])
    plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, dtype, bool(rng.integers(2)), EXAMPLES)
    state, inputs = draw(plan, **data)
    if sparse_rows:
        plan, inputs = sparse(plan, inputs)
    if kind.unsupported_reason(plan) is not None:
        return
    with np.errstate(all="ignore"):
        program = kind(plan)
        whole = program(state, inputs)
        blocks = -(-plan.steps // program.block_steps)
        ends = sorted({int(k) * program.block_steps for k in rng.integers(0, blocks, 3)} - {0})
        parts = cut(kind(plan), plan, state, inputs, ends)
    assert np.array_equal(numbers(parts[0]), numbers(whole[0]))
    assert np.array_equal(parts[1], whole[1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", PLAIN)
def test_plain(name, optimizer, dtype):
    """Each network meets each size in one dtype, the next optimizer's in the other."""
    turn = list(OPTIMIZERS).index(optimizer) + (dtype == "float32")
    for i, network in enumerate(NETWORKS):
        for j, batch_size in enumerate((1, 3, 5, 16, 40)):
            if (turn + i + j) % 2 == 0:
                check(PLAIN[name], network, optimizer, batch_size, dtype, {})


def test_blocks_are_what_they_say():
    """Within a block the result differs, if only by rounding: the tests above can fail."""
    plan = plan_of("wide", OPTIMIZERS["plain"], 3, "float32", examples=EXAMPLES)
    state, inputs = draw(plan)
    whole, parts = Blocked(plan)(state, inputs), cut(Blocked(plan), plan, state, inputs, [7])
    assert not np.array_equal(numbers(parts[0]), numbers(whole[0]))
    assert Blocked(plan).block_steps == 21
    assert Reference(xp, plan).block_steps == 1


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", [*COMPILED, SPARSE])
def test_compiled(name, optimizer):
    import importlib

    pytest.importorskip("numba")
    module, kind = name.split(":")
    program = getattr(importlib.import_module(f"gpunet_numpy.compiled.{module}"), kind)
    kinds = [{}, {"constant": 0.8}, {"constant": 0.8, "offset": -0.6}]
    # Half of the sizes, and of three kinds of data one: in turn, so that networks, sizes, optimizers and kinds meet.
    turn = list(OPTIMIZERS).index(optimizer)
    for i, network in enumerate((*NETWORKS, *SELF_GATED)):
        for j, batch_size in enumerate((1, 3, 5, 16, 40)):
            if (turn + i + j) % 2 == 0:
                check(program, network, optimizer, batch_size, "float32", kinds[(i + j) % 3], name == SPARSE)
