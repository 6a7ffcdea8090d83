"""How many threads a plan is worth, and how many epochs one call runs."""

import itertools
from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

from gpunet.core.plan import Layer, Plan
from gpunet.core.reference import Reference
from gpunet_numpy.compiled import threads as compiled_threads
from gpunet_numpy.compiled.blocked import program as blocked
from gpunet_numpy.compiled.minibatch import program as minibatch
from gpunet_numpy.compiled.tiny import program as tiny
from random_plans import (
    DESCENTS,
    OPTIMIZERS,
    OTHERS,
    differences,
    draw,
    numbers,
    plan_of,
)

pytestmark = pytest.mark.slow

DENSE, ZEROS, STANDARDISED = {}, {"constant": 0.8}, {"constant": 0.8, "offset": -0.6}


def test_which_batches_are_worth_which_threads(monkeypatch):
    monkeypatch.setattr(minibatch, "WIDEST", 512)
    monkeypatch.setattr(minibatch, "threads", lambda: 8)
    monkeypatch.setattr(blocked, "threads", lambda: 8)

    def made(program, units, batch_size, inputs=784):
        layers = (Layer(inputs, units, "tanh"), Layer(units, 1, "identity"))
        return program(Plan(layers, "squared_error", DESCENTS["plain"], 10**5, batch_size))

    assert made(minibatch.MiniBatch, 256, 128).threads == 8
    assert made(minibatch.MiniBatch, 256, 128).layout.threads == 8
    for units, batch_size in ((32, 1000), (256, 1000), (256, 384), (512, 60_000)):
        shared = made(minibatch.MiniBatch, units, batch_size)
        assert (shared.threads, shared.layout.threads) == (
            min(8, -(-batch_size // 64)),
            1,
        )  # nobody owns neurons
    assert made(minibatch.MiniBatch, 256, 383).layout.threads == 8
    assert made(minibatch.MiniBatch, 64, 90).layout.threads == 2
    assert made(minibatch.MiniBatch, 32, 129).threads == 3
    assert made(minibatch.MiniBatch, 32, 64).threads == 1
    assert made(minibatch.MiniBatch, 2, 20, 10).threads == 1
    for examples, inputs, batch_size, count, here in (
        (2000, 49, 2000, 1, True),  # done before others have woken up
        (2000, 50, 2000, 8, False),
        (9000, 100, 40, 1, True),  # nothing for a second thread
        (10_000, 100, 40, 1, False),
    ):
        layers = (Layer(inputs, 20, "tanh"), Layer(20, 1, "identity"))
        program = minibatch.MiniBatch(Plan(layers, "squared_error", DESCENTS["plain"], examples, batch_size))
        assert (program.threads, program.short) == (count, here)
    assert made(blocked.Blocked, 256, 1).layout.threads == 4
    assert made(blocked.Blocked, 60, 1).layout.threads == 1
    large = made(minibatch.MiniBatch, 256, 60_000)._buffers(False)[2]
    assert (large["apart"], large["chunk"], large["in_place"]) == (1, 250, 0)
    assert large["panel_gradients"].shape == (8, 784 * 256) and large["later_gradients"].shape == (8, 513)
    middle = made(minibatch.MiniBatch, 256, 2048)._buffers(False)[2]
    assert (middle["apart"], middle["chunk"], middle["in_place"]) == (0, 2048, 1)
    # Of several threads that have the same features, only one may list the examples that have them.
    sparse = made(minibatch.MiniBatch, 256, 2048)._buffers(True)[2]
    assert (sparse["apart"], sparse["across"][1], middle["across"][1]) == (0, 1, 2)
    assert made(minibatch.MiniBatch, 256, 60_000)._buffers(True)[2]["across"][1] == 2
    # Gradients of all of W[1], unless they are used at once: then of some features, for each thread
    assert (sparse["by_tiles"], sparse["features"]) == (0, 784)
    for units, batch_size, shape in (
        (256, 100, (8, 512 * 32)),
        (2048, 100, (8, 32 * 256)),
        (100, 256, (4, 146 * 112)),
        (100, 5000, (8, 784 * 112)),
    ):
        layers = (Layer(784, units, "tanh"), Layer(units, 1, "identity"))
        given = Plan(layers, "squared_error", OPTIMIZERS["adam"], 60_000, batch_size, dtype="float32")
        few = minibatch.MiniBatch(given)._buffers(True)[2]
        assert few["panel_gradients"].shape == shape
    monkeypatch.setattr(minibatch, "PARTS", 8 * 784 * 256)  # less than the threads' gradients would have
    bounded = made(minibatch.MiniBatch, 256, 60_000)._buffers(False)[2]
    assert (bounded["apart"], bounded["chunk"]) == (0, 2000) and bounded["A"].shape[0] == 1


def test_short_epochs_are_run_on_the_callers_thread(monkeypatch):
    """Whatever the rule, and again from the parameters that the last call has left, or from others."""
    monkeypatch.setattr(minibatch, "threads", lambda: 3)
    monkeypatch.setattr(minibatch, "run", lambda *given: pytest.fail("it was handed over"))
    for optimizer, data in itertools.product(OPTIMIZERS.values(), (DENSE, STANDARDISED)):
        plan = plan_of("wide", optimizer, 30, weighted=True)
        program, (state, inputs) = minibatch.MiniBatch(plan), draw(plan, **data)
        assert program.short and program.threads == 1
        other = draw(plan, seed=1, **data)[0]
        first = program(state, inputs)
        before = numbers(first[0])
        for given in (first[0], other, first[0]):
            assert not differences(plan, program(given, inputs), Reference(xp, plan)(given, inputs))
        assert np.array_equal(numbers(first[0]), before)
        assert not differences(plan, first, Reference(xp, plan)(state, inputs))


def test_products_of_a_short_epoch_that_blas_would_divide(monkeypatch):
    """It has one thread for them."""
    seen = []
    monkeypatch.setattr(
        compiled_threads, "with_blas_threads", lambda count, kernel, *given: seen.append(count)
    )
    ran = []
    for largest in (2**18 - 1, 2**18):
        compiled_threads.run_here(lambda *given: ran.append(given), "float32", largest, "an argument")
    assert len(ran) == 1 and ran[0][1:] == ("an argument",) and seen == [1]


def test_epochs_that_are_run_together(monkeypatch):
    """As many as take a few milliseconds, and a hundred times as many on threads; the larger ones one by one."""
    monkeypatch.setattr(minibatch, "threads", lambda: 1)
    layers = (Layer(24, 8, "tanh"), Layer(8, 2, "identity"))
    for examples, count in ((5, 1024), (200, 480), (5000, 19), (10**4, 9), (10**5, 20), (10**6, 2)):
        plan = Plan(layers, "squared_error", OTHERS["adam"], examples, examples)
        assert minibatch.MiniBatch(plan).epochs_together == count
    monkeypatch.setattr(minibatch, "threads", lambda: 2)
    wide = Plan((Layer(300, 200, "tanh"),), "squared_error", OTHERS["adam"], 100, 100)
    assert minibatch.MiniBatch(wide).threads == 2 and minibatch.MiniBatch(wide).epochs_together == 333
    narrow = replace(plan, layers=(Layer(1, 1, "identity"),), examples=2**17, batch_size=2**17)
    assert minibatch.MiniBatch(narrow).epochs_together == 16  # their orders take memory
    single = replace(wide, optimizer=DESCENTS["plain"], batch_size=1)
    assert blocked.Blocked(single).epochs_together == 333
    plan = Plan(layers, "squared_error", DESCENTS["plain"], 200, 1)
    assert tiny.Tiny(plan).epochs_together == 480
