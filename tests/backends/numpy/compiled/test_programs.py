"""Every compiled program computes what the reference computes.

Random plans: layers, activations, losses, optimizers, batch sizes, weights, sparse and dense data, numbers of threads,
and the edges of batches, blocks and chunks. Same parameters, data and order for both; float64 to rounding, float32 to a
few units of it.
"""

import itertools
from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import EpochInputs, TrainState
from gpunet.core.reference import Reference
from gpunet_numpy.compiled.blocked import program as blocked
from gpunet_numpy.compiled.minibatch import program as minibatch
from gpunet_numpy.compiled.sizes import WIDEST
from gpunet_numpy.compiled.tiny import program as tiny
from random_plans import (
    DESCENTS,
    NETWORKS,
    OPTIMIZERS,
    OTHERS,
    SELF_GATED,
    chunk_as_it_stands,
    differences,
    draw,
    epoch_chunk,
    in_turn,
    numbers,
    plan_of,
    with_penalty,
)

pytestmark = pytest.mark.slow


COMPILED_NETWORKS = list(NETWORKS)


LINEAR = ["plain", "decay", "momentum", "momentum-decay"]


DENSE, ZEROS, STANDARDISED = {}, {"constant": 0.8}, {"constant": 0.8, "offset": -0.6}


DTYPES = ["float64", "float32"]


def check(program, plan, shuffled=True, used=None, data=DENSE, seed=0):
    assert program.unsupported_reason(plan) is None
    state, inputs = draw(plan, shuffled, used, seed, **data)
    before = numbers([*state, inputs.X, inputs.Y])
    with np.errstate(all="ignore"):  # as in `fit`: OpenBLAS sets flags for what lies beside its operands
        got, expected = program(plan)(state, inputs), Reference(xp, plan)(state, inputs)
    assert np.array_equal(numbers([*state, inputs.X, inputs.Y]), before), (
        "a program changed what it was given"
    )
    assert not differences(plan, got, expected)
    new, losses = got
    assert losses.dtype == plan.dtype
    assert all(p.dtype == plan.dtype for pair in new.parameters for p in pair)


# How threads share a batch out: by neurons, by examples, or by examples to the end.
SHARES = {
    "neurons": {"NEURONS": 1, "EXAMPLES_PER_NEURON": 10**9},
    "examples": {"NEURONS": 1000},
    "to the end": {"NEURONS": 1000, "CHUNK": 10, "FEWEST": 7, "SPARSE_CHUNK": 8},
}


SMALL_CHUNKS = {"CHUNK": 32, "FEWEST": 16, "SPARSE_CHUNK": 70}


@pytest.mark.parametrize(("network", "descent", "dtype"), in_turn(COMPILED_NETWORKS, LINEAR))
def test_blocked(network, descent, dtype, on_threads):
    rng = np.random.default_rng([len(network), len(descent)])
    for data in (DENSE, ZEROS, STANDARDISED):
        for batch_size in (1, int(rng.choice([3, 8, 16]))):
            on_threads(int(rng.integers(1, 4)))
            weighted, shuffled = (bool(rng.integers(2)) for _ in range(2))
            # More than one block, and a last one that is not full
            plan = plan_of(network, DESCENTS[descent], batch_size, dtype, weighted, examples=75)
            used = 3 * batch_size if shuffled and rng.random() < 0.3 else None
            check(blocked.Blocked, plan, shuffled, used, data)


@pytest.mark.parametrize(
    ("network", "optimizer", "dtype"), in_turn([*COMPILED_NETWORKS, *SELF_GATED], OPTIMIZERS)
)
def test_minibatch(network, optimizer, dtype, on_threads):
    rng = np.random.default_rng([len(network), len(optimizer)])
    in_few_rows = np.random.default_rng([len(optimizer), len(network)])
    for data, share in itertools.product((DENSE, ZEROS, STANDARDISED), SHARES):
        for chunks in ({}, SMALL_CHUNKS) if share == "neurons" else ({},):
            some = {name: int(in_few_rows.choice([2**15, 1500, 1])) for name in ("GRADIENTS", "ADDED")}
            some["WIDEST"] = int(in_few_rows.choice([WIDEST, 0]))  # by rows, or with CSC
            on_threads(int(rng.integers(1, 6)), **some, **SHARES[share], **chunks)
            batch_size = 75 if rng.random() < 0.5 else int(rng.choice([1, 32, 50, 73]))
            weighted, shuffled = (bool(rng.integers(2)) for _ in range(2))
            used = batch_size if shuffled and rng.random() < 0.3 else None
            plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, dtype, weighted)
            check(minibatch.MiniBatch, plan, shuffled, used, data)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_minibatch_with_a_penalty(optimizer, dtype, on_threads):
    rng = np.random.default_rng(len(optimizer))
    for network, data in itertools.product(("linear", "wide", "three-hidden"), (DENSE, STANDARDISED)):
        for share, settings in SHARES.items():
            on_threads(int(rng.integers(1, 6)), **settings)
            batch_size = 75 if share == "to the end" else int(rng.choice([1, 32, 50]))
            plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, dtype, True)
            state, inputs = draw(plan, **data)
            plan, inputs = with_penalty(plan, inputs)
            assert minibatch.MiniBatch.unsupported_reason(plan) is None
            with np.errstate(all="ignore"):
                got, expected = minibatch.MiniBatch(plan)(state, inputs), Reference(xp, plan)(state, inputs)
            assert not differences(plan, got, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_minibatch_with_clipping(optimizer, dtype, on_threads):
    """Of all steps, of some, and of none; with a penalty, which is a part of what is clipped, and without."""
    rng = np.random.default_rng(len(optimizer))
    networks = ("linear", "wide", "three-hidden", "gelu-silu")
    for network, (share, settings), penalized in itertools.product(networks, SHARES.items(), (False, True)):
        on_threads(int(rng.integers(1, 6)), **settings)
        batch_size = 75 if share == "to the end" else int(rng.choice([1, 32, 50]))
        plan = plan_of(network, OPTIMIZERS[optimizer], batch_size, dtype, True)
        state, inputs = draw(plan, **(DENSE, ZEROS, STANDARDISED)[rng.integers(3)])
        if penalized:
            plan, inputs = with_penalty(plan, inputs)
        norms = gradient_norms(plan, state, inputs)
        for clip_norm in (0.3 * min(norms), float(np.median(norms)), 3 * max(norms)):
            clipped = replace(plan, optimizer=replace(plan.optimizer, clip_norm=float(clip_norm)))
            assert minibatch.MiniBatch.unsupported_reason(clipped) is None
            with np.errstate(all="ignore"):
                made, reference = minibatch.MiniBatch(clipped), Reference(xp, clipped)
                assert not differences(clipped, made(state, inputs), reference(state, inputs))


def gradient_norms(plan, state, inputs):
    """The norm of each step's gradient, at the parameters that an epoch begins with."""
    norms = []
    for first in range(0, plan.examples, plan.batch_size):
        count = min(plan.batch_size, plan.examples - first)
        step = replace(plan, optimizer=gn.GradientDescent(1.0), examples=count, batch_size=count)
        some = epoch_chunk(plan, inputs, first // plan.batch_size, first // plan.batch_size + 1)
        some = some._replace(coefficients=np.ones_like(some.coefficients[:, :1]))
        if plan.penalized:
            strength = inputs.coefficients[first // plan.batch_size, -1:]
            some = some._replace(coefficients=np.array([[1.0, *strength]], plan.dtype))
        after = Reference(xp, step)(TrainState(state.parameters, [((), ())] * len(plan.layers)), some)[0]
        norms.append(np.linalg.norm(numbers(after.parameters) - numbers(state.parameters)))
    return norms


@pytest.mark.parametrize("program", [tiny.Tiny, blocked.Blocked])
def test_other_programs_have_no_clipping(program):
    plan = plan_of("softmax", DESCENTS["plain"], 1)
    clipped = replace(plan, optimizer=replace(plan.optimizer, clip_norm=1.0))
    assert program.unsupported_reason(clipped) == "clipping needs the whole gradient first"


@pytest.mark.parametrize("program", [tiny.Tiny, blocked.Blocked])
def test_other_programs_have_no_self_gated_activations(program):
    assert program.unsupported_reason(plan_of("mish-gelu", DESCENTS["plain"], 1)) == "mish is done in batches"


def test_no_program_has_a_self_gated_output():
    layers = (Layer(4, 5, "gelu"), Layer(5, 1, "silu"))
    plan = Plan(layers, "squared_error", DESCENTS["plain"], 20, 5)
    assert minibatch.MiniBatch.unsupported_reason(plan) == "silu as the output has no compiled form"


@pytest.mark.parametrize("program", [tiny.Tiny, blocked.Blocked])
def test_other_programs_have_no_penalty(program):
    plan = plan_of("softmax", DESCENTS["plain"], 1)
    assert program.unsupported_reason(plan) is None
    assert "L2 penalty" in program.unsupported_reason(replace(plan, penalized=True))


@pytest.mark.parametrize(
    ("network", "descent", "dtype"),
    in_turn([name for name in COMPILED_NETWORKS if name not in ("wider", "three-hidden")], LINEAR),
)
def test_tiny(network, descent, dtype):
    for batch_size in (1, 7):
        for weighted, shuffled, used in ((False, True, None), (True, False, None), (True, True, 21)):
            plan = plan_of(network, DESCENTS[descent], batch_size, dtype, weighted)
            check(tiny.Tiny, plan, shuffled, used)


@pytest.mark.parametrize(
    ("program", "optimizer"),
    [
        # Tiny and blocked programs have only rules that are linear in the gradient.
        *itertools.product([tiny.Tiny, blocked.Blocked, minibatch.MiniBatch], ["plain", "momentum-decay"]),
        *itertools.product([minibatch.MiniBatch], ["adamw", "rmsprop"]),
    ],
)
@pytest.mark.parametrize("chunk", [epoch_chunk, chunk_as_it_stands])
def test_an_epoch_in_two_chunks(chunk, program, optimizer):
    """Each chunk takes its own steps of the schedule; one object runs both."""
    plan = plan_of("sigmoid-softmax", OPTIMIZERS[optimizer], 5, weighted=True)
    state, inputs = draw(plan)
    made, losses, current = program(plan), [], state
    for first, last in ((0, 6), (6, 15)):
        current, some = made(current, chunk(plan, inputs, first, last))
        losses.append(some)
    expected = Reference(xp, plan)(state, inputs)
    assert not differences(plan, (current, np.concatenate(losses)), expected)


@pytest.mark.parametrize("short", [0, 10**9])
def test_other_data_in_the_same_buffers(short, on_threads):
    """Dense, then sparse, then other offsets: nothing of the data before is left."""
    on_threads(2, SHORT=short)
    for program, batch_size in ((blocked.Blocked, 3), (minibatch.MiniBatch, 20)):
        plan = plan_of("wide", DESCENTS["momentum"], batch_size)
        made = program(plan)
        for seed, data in enumerate((STANDARDISED, DENSE, ZEROS, STANDARDISED, ZEROS)):
            given = draw(plan, seed=seed, **data)
            assert not differences(plan, made(*given), Reference(xp, plan)(*given))


def test_float32_is_as_exact_as_matrix_products_are():
    """Small steps of large weights: what is added to a weight must be summed before, not bit by bit into it."""
    layers = (Layer(300, 64, "sigmoid"), Layer(64, 3, "softmax"))
    plan = Plan(layers, "cross_entropy", gn.GradientDescent(1e-3), 4096, 128)
    state, inputs = draw(plan, **ZEROS)

    def wide(value):
        return None if value is None or value.dtype == "int32" else value.astype("float64")

    wide_state = TrainState([tuple(wide(p) for p in pair) for pair in state.parameters], state.slots)
    double = Plan(layers, "cross_entropy", plan.optimizer, 4096, 128, "float64")
    wide_inputs = EpochInputs(*(wide(one) if one is not inputs.order else one for one in inputs[:-1]))
    exact = numbers(Reference(xp, double)(wide_state, wide_inputs)[0].parameters)
    way = np.linalg.norm(exact - numbers(state.parameters))
    ours, theirs = (
        np.linalg.norm(numbers(program(state, inputs)[0].parameters) - exact) / way
        for program in (minibatch.MiniBatch(plan), Reference(xp, plan))
    )
    assert ours < 2 * theirs


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 16])
def test_any_number_of_threads(count, on_threads):
    """More threads than neurons, examples or processors: still the same updates."""
    for data, network, share in itertools.product(
        (DENSE, ZEROS, STANDARDISED), ("sigmoid-softmax", "deep-absolute", "wide", "mish-gelu"), SHARES
    ):
        on_threads(count, **SHARES[share])
        # The last batch has 2 examples: fewer than threads
        optimizer = OPTIMIZERS["adamw"] if share == "to the end" else DESCENTS["momentum"]
        for features in (11, 3):  # with 3, W[1] is divided into tiles side by side
            check(minibatch.MiniBatch, plan_of(network, optimizer, 73, inputs=features), data=data)
    on_threads(count)
    for data in (DENSE, ZEROS, STANDARDISED):
        for network in ("sigmoid-softmax", "deep-absolute", "wide"):
            check(minibatch.MiniBatch, plan_of(network, DESCENTS["momentum"], 20), data=data)
            check(blocked.Blocked, plan_of(network, DESCENTS["momentum"], 1), data=data)
            check(blocked.Blocked, plan_of(network, DESCENTS["plain"], 4), data=data)


@pytest.mark.parametrize("constant", [0.7, 1.0])
@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("features", [1, 15, 16, 17, 64, 200])
def test_sparse_examples(features, offset, constant):
    """Any number of features, and examples and features that are 0 altogether."""
    layers = (Layer(features, 40, "tanh"), Layer(40, 3, "softmax"))
    for batch_size, program in ((1, blocked.Blocked), (70, minibatch.MiniBatch)):
        for dtype in DTYPES:
            plan = Plan(layers, "cross_entropy", DESCENTS["momentum-decay"], 150, batch_size, dtype)
            check(program, plan, data={"constant": constant, "offset": offset})


@pytest.mark.parametrize("data", [DENSE, ZEROS, STANDARDISED])
def test_a_run_repeats_bit_for_bit(data):
    for program, size in ((minibatch.MiniBatch, 32), (blocked.Blocked, 1), (tiny.Tiny, 1)):
        plan = plan_of("relu-tanh-sigmoid", DESCENTS["momentum"], size, "float32")
        first, second = (numbers(program(plan)(*draw(plan, **data))) for _ in range(2))
        assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("program", "size"), [(minibatch.MiniBatch, 50), (blocked.Blocked, 1), (tiny.Tiny, 1)], ids=str
)
def test_non_finite_numbers_come_through(program, size):
    """Divergence must show: kernels may reorder sums, but not lose NaN."""
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], size, "float32")
    state, inputs = draw(plan)
    W, b = state.parameters[0]
    spoilt = TrainState([(np.full_like(W, np.nan), b), *state.parameters[1:]], state.slots)
    assert np.isnan(program(plan)(spoilt, inputs)[1]).any()
    X = inputs.X.copy()
    X[3, 5] = np.nan
    assert np.isnan(program(plan)(state, inputs._replace(X=np.asfortranarray(X)))[1]).any()


def test_read_only_data(on_threads):
    on_threads(2)
    for program, size in ((minibatch.MiniBatch, 32), (blocked.Blocked, 1), (tiny.Tiny, 1)):
        plan = plan_of(
            "sigmoid-softmax", OTHERS["adam"] if size > 1 else DESCENTS["plain"], size, weighted=True
        )
        state, inputs = draw(plan)
        frozen = [one if one is None else one.copy(order="A") for one in inputs[:-1]]
        for one in frozen:
            if one is not None:
                one.flags.writeable = False
        assert not differences(plan, program(plan)(state, EpochInputs(*frozen)), program(plan)(state, inputs))
