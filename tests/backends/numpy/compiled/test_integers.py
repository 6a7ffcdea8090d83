"""Small integers that become numbers where kernels read them: the same results, to the bit, as with an array."""

import gc
import weakref

import numpy as np
import pytest

from gpunet.core.integer_columns import SMALL_INTEGERS
from gpunet.devices.placement import host_placement
from gpunet_numpy.compiled import data, kept_rows
from gpunet_numpy.compiled.blocked import program as blocked
from gpunet_numpy.compiled.codes import KIND
from gpunet_numpy.compiled.gradients import CompiledGradients
from gpunet_numpy.compiled.integers import number_row
from gpunet_numpy.compiled.minibatch import program as minibatch
from integer_inputs import both, drawn_rows, fitted
from random_plans import OPTIMIZERS, draw, numbers, plan_of

pytestmark = pytest.mark.slow

PLACEMENT = host_placement()
STANDARDIZERS = (None, "feature", "set")
SHARES = {
    "neurons": {"EXAMPLES_PER_NEURON": 10**9},
    "examples": {"NEURONS": 1000},
    "to the end": {"NEURONS": 1000, "SPARSE_CHUNK": 8, "FEWEST": 8, "CACHE": 0},
}


def columns_of(dtype, per, numbers="float32", shape=(50, 37), zeros=0.0):
    from gpunet.inputs.integer_examples import IntegerExamples

    rows = drawn_rows(*shape, dtype, zeros=zeros)
    return IntegerExamples(rows, PLACEMENT, numbers, fitted(rows, per))


def same_results(program, plan, pair, state, epochs=2):
    """Whether two `inputs` give the same numbers, epoch by epoch."""
    results = []
    for inputs in pair:
        made, now, found = program(plan), state, []
        for epoch in range(epochs):
            order = inputs.order
            if order is not None:
                order = np.random.default_rng(epoch).permutation(order)
            now, losses = made(now, inputs._replace(order=order, epochs=epochs - epoch))
            found.append(losses)
        results.append(np.concatenate([*found, numbers([*now])]))
    assert np.isfinite(results[0]).all()
    return np.array_equal(*results)


@pytest.mark.parametrize("numbers", ["float32", "float64"])
@pytest.mark.parametrize("per", STANDARDIZERS)
@pytest.mark.parametrize("dtype", SMALL_INTEGERS)
def test_the_numbers_of_a_row(dtype, per, numbers, from_python):
    """Correctly rounded: a division is one."""
    X = columns_of(dtype, per, numbers)
    inputs = data.with_integers(data.input_buffers(37, 4, numbers, False, 3), X)
    expected = X.as_array().T
    for thread, example in enumerate((7, 0, 49)):
        from_python(number_row)(inputs, example, thread)
        assert np.array_equal(inputs.numbers[thread], expected[example])
    assert set(KIND) == set(SMALL_INTEGERS)


@pytest.mark.parametrize("zeros", [0.0, 0.8])
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("dtype", SMALL_INTEGERS)
def test_batches(dtype, share, zeros, on_threads):
    turn = SMALL_INTEGERS.index(dtype) + list(SHARES).index(share)
    for k, threads in enumerate((1, 2, 3)):
        on_threads(threads, **SHARES[share])
        per, shuffled = STANDARDIZERS[(turn + k) % 3], (turn + k) % 2 == 0
        optimizer = ("adamw", "momentum")[(turn + k // 2) % 2]
        batch, numbers = (20, 75, 32)[k], ("float32", "float64")[turn % 2]
        plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[optimizer], batch, numbers, inputs=37)
        state, inputs = draw(plan, shuffled)
        pair = both(plan, inputs, dtype, per, PLACEMENT, zeros=zeros)
        assert same_results(minibatch.MiniBatch, plan, pair, state)


@pytest.mark.parametrize("zeros", [0.0, 0.8])
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_kept_rows(dtype, zeros, on_threads):
    on_threads(2)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["adam"], 20, "float32", inputs=37)
    state, inputs = draw(plan)
    pair = both(plan, inputs, dtype, "set", PLACEMENT, zeros=zeros)
    assert same_results(minibatch.MiniBatch, plan, pair, state, kept_rows.EPOCHS)


@pytest.mark.parametrize("zeros", [0.0, 0.8])
@pytest.mark.parametrize(("descent", "batch_size"), [("plain", 1), ("momentum-decay", 3)])
def test_blocks(descent, batch_size, zeros, on_threads):
    for count, dtype, per in ((1, "uint8", None), (2, "int16", "feature"), (3, "bool", "set")):
        on_threads(count)
        plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[descent], batch_size, "float32", inputs=37)
        for shuffled in (True, False):
            state, inputs = draw(plan, shuffled)
            pair = both(plan, inputs, dtype, per, PLACEMENT, zeros=zeros)
            assert same_results(blocked.Blocked, plan, pair, state)


def test_another_x(on_threads):
    """A program reads the X that it is given, of the same kind or another one."""
    on_threads(2)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["adam"], 20, "float32", inputs=37)
    state, inputs = draw(plan)
    made = minibatch.MiniBatch(plan)
    for dtype, per in (("uint8", "set"), ("uint8", None), ("int16", "feature"), ("bool", None)):
        for given in both(plan, inputs, dtype, per, PLACEMENT, zeros=0.3):
            now, losses = made(state, given)
            fresh, wanted = minibatch.MiniBatch(plan)(state, given)
            assert np.array_equal(losses, wanted)
            assert np.array_equal(numbers([*now]), numbers([*fresh]))


@pytest.mark.parametrize("program", [minibatch.MiniBatch, blocked.Blocked])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_rows_that_lie_feature_by_feature(dtype, program, on_threads):
    """Most numbers equal a constant that is not 0: the offsets that a sample tells are contiguous, whatever X is."""
    on_threads(2)
    size, optimizer = (1, "plain") if program is blocked.Blocked else (20, "adam")
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[optimizer], size, "float32", inputs=37)
    state, inputs = draw(plan)
    X = both(plan, inputs, "uint8", "feature", PLACEMENT, zeros=0.8)[dtype == "float32"].X
    assert data.common_values(data.sample(X), data.SPARSE).any()
    other = X.of(np.asfortranarray(X.rows)) if dtype == "uint8" else np.ascontiguousarray(X)
    assert same_results(program, plan, (inputs._replace(X=X), inputs._replace(X=other)), state)
    offsets = data.common_values(data.sample(other), data.SPARSE)
    assert offsets.flags.c_contiguous and np.array_equal(
        offsets, data.common_values(data.sample(X), data.SPARSE)
    )


def test_x_is_not_kept_alive(on_threads):
    on_threads(1)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["adam"], 20, "float32", inputs=37)
    state, inputs = draw(plan)
    given, _ = both(plan, inputs, "uint8", "set", PLACEMENT)
    made = minibatch.MiniBatch(plan)
    made(state, given)
    alive = weakref.ref(given.X.rows)
    del given
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("zeros", [0.0, 0.8])
def test_gradients_of_a_part(zeros, on_threads):
    on_threads(2)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["adam"], 75, "float32", inputs=37)
    state, inputs = draw(plan, False)
    found = [
        CompiledGradients(plan)(state.parameters, given.X, given.Y, None)
        for given in both(plan, inputs, "uint8", "feature", PLACEMENT, zeros=zeros)
    ]
    assert np.array_equal(*(numbers([J, *gradients]) for J, gradients in found))


def test_a_sample_is_of_numbers():
    X = columns_of("uint8", "feature", shape=(3000, 5))
    rows = X.as_array().T
    assert np.array_equal(data.sample(X), data.sample(rows.T))
    assert len(data.sample(X)) == data.SAMPLE
