"""The program of the last run serves the next one of the same plan, and holds none of its data."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet_numpy import select
from gpunet_numpy.compiled.minibatch import program as minibatch
from gpunet_numpy.compiled.minibatch.buffers import Buffers
from gpunet_numpy.kept import KEPT
from random_plans import OPTIMIZERS, draw, numbers, plan_of

pytestmark = pytest.mark.slow

PLAN = Plan((Layer(60, 40, "tanh"), Layer(40, 3, "softmax")), "cross_entropy", gn.Adam(), 4000, 200)


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    monkeypatch.setenv("GPUNET_COMPILE", "wait")


def test_who_gets_it(monkeypatch):
    """A run of the same plan, once; no run that began while another one had it, or after a limit has changed."""
    program, reason = select.program_for(PLAN)
    assert type(program) is minibatch.MiniBatch
    assert select.program_for(PLAN)[0] is not program  # it has not finished
    program.finish()
    assert select.program_for(replace(PLAN)) == (program, reason)
    assert select.program_for(PLAN)[0] is not program
    program.finish()
    assert select.program_for(replace(PLAN, examples=4001))[0] is not program
    assert KEPT.program is None
    program.finish()
    monkeypatch.setattr(minibatch, "threads_of", lambda plan: (program.threads + 1, program.by_examples))
    assert select.program_for(PLAN)[0] is not program


def test_a_program_that_is_not_to_be_used_any_more(monkeypatch):
    program, _ = select.program_for(PLAN)
    program.finish()
    monkeypatch.setenv("GPUNET_COMPILE", "never")
    assert select.program_for(PLAN)[0].name == "reference"


def test_large_ones_are_not_kept(monkeypatch):
    program, _ = select.program_for(PLAN)
    program(*draw(PLAN))
    size = program.panels.nbytes
    assert program._bytes() > size > 4 * 3 * 60 * 40
    for limit, kept in ((program._bytes(), True), (program._bytes() - 1, False)):
        monkeypatch.setattr(minibatch, "BYTES", limit)
        KEPT.program = None
        program.finish()
        assert (KEPT.program is program) == kept


def test_it_holds_nothing_of_the_run():
    """Neither data nor weights that the network has."""
    rng = np.random.default_rng(0)
    X, y = rng.random((4000, 60), np.float32), rng.integers(0, 3, 4000)
    net = gn.Network([gn.Dense(40, "tanh"), gn.Dense(3, "softmax")], seed=0, backend="numpy")
    net.fit(X, y, epochs=1, batch_size=200, optimizer=gn.Adam())
    assert type(KEPT.program) is minibatch.MiniBatch
    held = [weakref.ref(X), weakref.ref(net)]
    del X, net
    gc.collect()
    assert [ref() for ref in held] == [None, None]
    assert KEPT.program.known.inputs is None


def stopped(*given):
    """A run that Ctrl-C ends when some weights are updated and some are not."""
    next(one for one in given if isinstance(one, Buffers)).panels[...] = np.nan
    raise KeyboardInterrupt


@pytest.mark.parametrize("size", [{"HERE": 10**9}, {"HERE": 0}])
@pytest.mark.parametrize("optimizer", ["plain", "momentum", "adamw", "rmsprop"])
def test_runs_go_on_to_the_bit(optimizer, size, monkeypatch):
    """From the last result, from another state in between, and after a call that was stopped."""
    for name, value in size.items():
        monkeypatch.setattr(minibatch, name, value)
    monkeypatch.setattr(minibatch, "SHORT", 0)
    optimizer = {**OPTIMIZERS, "plain": gn.GradientDescent(0.05)}.get(optimizer, gn.RMSprop(0.01))
    plan = plan_of("relu-tanh-sigmoid", optimizer, 20, weighted=True)
    kept = minibatch.MiniBatch(plan)
    states = [draw(plan, seed=seed) for seed in range(3)]
    state = other = states[0][0]
    for turn, (seed, stops) in enumerate([(0, False), (1, True), (2, False), (0, False)]):
        inputs = states[seed][1]
        if stops:
            with monkeypatch.context() as patch:
                for name in ("run", "run_here"):
                    patch.setattr(minibatch, name, stopped)
                with pytest.raises(KeyboardInterrupt):
                    kept(state, inputs)
        before = numbers([*state])
        found, losses = kept(state, inputs)
        expected, wanted = minibatch.MiniBatch(plan)(state, inputs)
        assert np.array_equal(numbers([*found]), numbers([*expected])) and np.array_equal(losses, wanted)
        assert np.array_equal(numbers([*state]), before)
        kept.finish()
        # As after a callback that sets parameters: the slots are those that were there.
        state = found if turn != 1 else found._replace(parameters=other.parameters)


def test_batch_by_batch_is_one_epoch():
    """A loop of runs of one step each, with the optimizer's memory."""
    rng = np.random.default_rng(0)
    X, y = rng.random((600, 60), np.float32), rng.integers(0, 3, 600)

    def net():
        return gn.Network([gn.Dense(40, "tanh"), gn.Dense(3, "softmax")], seed=0, backend="numpy")

    whole, parts, programs = net(), net(), set()
    whole.fit(X, y, epochs=1, batch_size=200, optimizer=gn.Adam(), shuffle=False)
    for k in range(0, 600, 200):
        parts.fit(
            X[k : k + 200], y[k : k + 200], epochs=1, batch_size=200, optimizer=gn.Adam(), shuffle=False
        )
        programs.add(KEPT.program)
    assert len(programs) == 1
    for one, other in zip(whole.parameters, parts.parameters, strict=True):
        for p, q in zip(one, other, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-6)
