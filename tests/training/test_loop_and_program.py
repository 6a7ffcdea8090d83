"""The training loop with a program that is given: what it keeps, and what the history says when one fails."""

import time
import weakref

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.program import Program, TrainState


def network_with(monkeypatch, program):
    class Given(Program):
        name = "given"

        def __call__(self, state, inputs):
            return program(state, inputs)

    def program_for(plan, device):
        return program if isinstance(program, Program) else Given(plan), "a test"

    monkeypatch.setattr(gn.get_backend("numpy"), "program_for", program_for)
    return gn.Network([gn.Dense(1)], seed=0, backend="numpy")


def test_states_of_older_epochs_are_released(monkeypatch):
    """A divergence can lead back to the epoch before the last: older states would only take memory."""
    made = []

    def program(state, inputs):
        parameters = [tuple(p.copy() for p in pair) for pair in state.parameters]
        made.append(weakref.ref(parameters[0][0]))
        return TrainState(parameters, state.slots), np.zeros(1, "float32")

    net = network_with(monkeypatch, program)
    alive = []
    net.fit(
        np.eye(3),
        np.zeros(3),
        epochs=8,
        batch_size=None,
        callbacks=lambda net, history: alive.append(sum(one() is not None for one in made)),
    )
    assert max(alive) <= 3


@pytest.mark.parametrize(("rows", "steps", "most"), [("sparse", 20, 1), ("sparse", 10, 2), ("dense", 20, 2)])
def test_states_beside_the_one_that_a_program_makes(rows, steps, most, monkeypatch):
    """Long epochs of sparse rows begin with a look at the first loss: the epoch before is not needed then.

    The state at the start goes too, in a first fit and in a second one.
    """
    sparse = pytest.importorskip("scipy.sparse")
    known, seen = [], []

    class Copies(Program):
        name = "copies"
        takes_sparse = True

        def __call__(self, state, inputs):
            arrays = [pair[0] for pair in state.parameters]
            known.extend(weakref.ref(W) for W in arrays if not any(one() is W for one in known))
            del arrays
            seen.append(sum(one() is not None for one in known))
            parameters = [tuple(p.copy() for p in pair) for pair in state.parameters]
            return TrainState(parameters, state.slots), np.zeros(steps, "float32")

    net = network_with(monkeypatch, Copies(None))
    X = np.eye(steps, dtype="float32")
    for _ in range(2):
        net.fit(sparse.csr_array(X) if rows == "sparse" else X, np.zeros(steps), epochs=5, batch_size=1)
    assert seen == [1, *[most] * 4] * 2


def test_the_history_names_the_program_that_failed(monkeypatch):
    seen = []

    class Last:
        def __call__(self, network, history):
            pass

        def finish(self, network, history):
            seen.append((history.program, history.reason, history.epochs))

    def program(state, inputs):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        network_with(monkeypatch, program).fit(np.eye(3), np.zeros(3), epochs=1, callbacks=Last())
    assert seen == [("given", "a test", 0)]


def test_seconds_add_up_to_less_than_the_run(monkeypatch):
    def program(state, inputs):
        return state, np.zeros(1, "float32")

    net = network_with(monkeypatch, program)
    started = time.perf_counter()
    history = net.fit(np.eye(3), np.zeros(3), epochs=4, batch_size=None)
    assert all(seconds > 0 for seconds in history.seconds)
    assert sum(history.seconds) <= time.perf_counter() - started


def test_the_history_names_the_program_that_ran_last(monkeypatch):
    """A tiered program changes its name when it goes over to another one, or says why it does not."""

    class Tiered(Program):
        name = "given"

        def __call__(self, state, inputs):
            self.name, self.reason = "second", "another reason"
            return state, np.zeros(1, "float32")

    program = Tiered(None)
    net = network_with(monkeypatch, program)
    assert program.name == "given"
    history = net.fit(np.eye(3), np.zeros(3), epochs=1, batch_size=None)
    assert (history.program, history.reason) == ("second", "another reason")


class Ends(Program):
    """Counts how often its run has ended, and has a loss, or raises, as it is told."""

    name = "ends"

    def __init__(self):
        self.results, self.ended = [], 0

    def __call__(self, state, inputs):
        loss = self.results.pop(0) if self.results else 1.0
        if isinstance(loss, BaseException):
            raise loss
        return state, np.full(1, loss, "float32")

    def finish(self):
        self.ended += 1


@pytest.mark.parametrize(
    ("results", "error"),
    [
        ([1.0, np.nan], gn.Diverged),
        ([1.0, ValueError()], ValueError),
        ([KeyboardInterrupt()], KeyboardInterrupt),
    ],
)
def test_a_program_is_told_that_its_run_has_ended(results, error, monkeypatch):
    """Once, after the last epoch, also of a run that a callback ends; not after an error."""
    program = Ends()
    net = network_with(monkeypatch, program)
    given = {"X": np.eye(3), "y": np.zeros(3), "epochs": 3, "batch_size": None}
    net.fit(**given, callbacks=[lambda net, history: program.ended])
    assert program.ended == 1 and net.history.epochs == 3
    net.fit(**given, callbacks=[lambda net, history: True])
    assert program.ended == 2 and net.history.epochs == 1
    program.results = results
    with pytest.raises(error):
        net.fit(**given)
    assert program.ended == 2
