"""Runs that begin in plain NumPy and change over once their program is compiled."""

import numpy as np
import pytest

from compile_children import children
from gpunet_numpy import select
from gpunet_numpy.compiling import COMPILING
from gpunet_numpy.plain.accumulation import Accumulation
from gpunet_numpy.plain.blocked import Blocked
from gpunet_numpy.plain.estimate import epoch_seconds
from gpunet_numpy.tiered import Tiered, parts
from random_plans import DESCENTS, OTHERS, differences, draw, map_arrays, plan_of


@pytest.mark.parametrize("used", [75, 38])
@pytest.mark.parametrize("shuffled", [True, False])
def test_parts_of_an_epoch_are_the_epoch(monkeypatch, used, shuffled):
    plan = plan_of("sigmoid-softmax", OTHERS["adam"], 5, weighted=True)
    monkeypatch.setattr("gpunet_numpy.tiered.PART_SECONDS", 4.5 / plan.steps * epoch_seconds(plan))
    _, inputs = draw(plan, shuffled=shuffled, used=used)
    inputs = inputs._replace(dropout_keys=np.arange(plan.steps)[:, None])
    found = list(parts(plan, inputs))
    whole = used if shuffled else 75
    assert [part.examples for part in found] == [20] * (whole // 20) + [whole % 20]
    assert np.array_equal(
        np.concatenate([part.order for part in found]), inputs.order if shuffled else np.arange(75)
    )
    for name in ("coefficients", "dropout_keys"):
        for k, part in enumerate(found):
            assert np.array_equal(getattr(part, name), getattr(inputs, name)[4 * k : 4 * k + 4])
    monkeypatch.setattr("gpunet_numpy.tiered.PART_SECONDS", 1.0)
    assert list(parts(plan, inputs)) == [inputs]


@pytest.mark.parametrize("last", [0, 1])
def test_a_run_changes_over_when_its_child_has_finished(monkeypatch, last):
    """In the midst of an epoch; or the child fails, and the run goes on as it was."""
    plan = plan_of("sigmoid-softmax", DESCENTS["plain"], 5)
    monkeypatch.setattr("gpunet_numpy.tiered.PART_SECONDS", 0.34 * epoch_seconds(plan))
    answers = iter([(None, COMPILING)] * 6 + [(None, "it failed") if last else (Blocked, "")])
    asked = []

    def compiled_program(plan):
        asked.append(plan)
        return next(answers)

    program = Tiered(plan, Accumulation, compiled_program, 0.0)
    state, inputs = draw(plan)
    before = map_arrays(np.copy, (state, inputs))
    names = []
    for _ in range(3):
        result = program(state, inputs)
        assert not differences(plan, result, Blocked(plan)(*before))
        names.append((program.name, program.reason))
    first, both = "numpy gradient accumulation", "numpy gradient accumulation, then numpy blocked SGD"
    # Three parts an epoch, and a look before each and before the first: the seventh is in the second epoch.
    after = (first, "it failed") if last else (both, COMPILING)
    assert names == [(first, COMPILING), after, after]
    assert len(asked) == 7


def test_large_plans_begin_in_plain_numpy_while_they_are_compiled(with_numba, started):
    plan = plan_of("wider", OTHERS["adam"], 1000, "float32", examples=60_000, inputs=784)
    program, reason = select.program_for(plan)
    assert (program.name, reason) == ("numpy gradient accumulation", COMPILING)
    assert [name for name, _ in started] == ["gpunet_numpy.compiled.minibatch.program:MiniBatch"]
    assert select.program_for(plan)[1] == COMPILING
    children()[0].status = 0
    assert select.program_for(plan)[0].name == "compiled mini-batch"
    children()[0].status = 1
    program, _ = select.program_for(plan)
    assert program.name == "numpy gradient accumulation"
    assert not isinstance(program, Tiered)


def test_a_predictor_is_used_once_it_is_compiled(with_numba, started, monkeypatch):
    rng = np.random.default_rng(0)
    W, b, X = rng.random((200, 300)), rng.random((200, 1)), rng.random((3, 300))
    later = select.predictor(("identity",), [(W, b)])
    assert later(X) is None
    assert started == [("gpunet_numpy.compiled.predict.program:Predictor", "float64")]
    children()[0].status = 0
    monkeypatch.setattr(
        "gpunet_numpy.compiled.predict.program.Predictor.__call__", lambda self, X: self.made_of
    )
    assert later(X)[1] == [(W, b)]
    assert type(select.predictor(("identity",), [(W, b)])).__name__ == "Predictor"
