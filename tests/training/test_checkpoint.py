"""A run that ends in the middle goes on from its checkpoint, to the bit."""

import json

import numpy as np
import pytest

import gpunet as gn
from broken_runs import killed_after
from checkpoint_runs import (
    OPTIMIZERS,
    K,
    M,
    examples,
    figures,
    network,
    numbers,
    same_run,
    wait_for_the_writer,
)
from gpunet.core.program import Program
from gpunet.core.reference import Reference
from gpunet.training.loop import TrainingLoop


@pytest.fixture
def data():
    return examples()


@pytest.mark.parametrize("stopping", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [1, 7, None])
def test_a_run_goes_on_to_the_bit(data, tmp_path, monkeypatch, optimizer, batch_size, stopping):
    rng = np.random.default_rng([len(optimizer), batch_size or 0, stopping])
    calls = int(rng.integers(1, 5 if batch_size is None else 10))
    steps = int(rng.integers(2, 30))
    same_run(
        data, tmp_path, monkeypatch, "numpy", 4, OPTIMIZERS[optimizer], batch_size, steps, stopping, calls
    )


@pytest.mark.parametrize("backend", ["readonly", "torch", pytest.param("jax", marks=pytest.mark.slow)])
def test_on_every_backend(data, tmp_path, monkeypatch, backend):
    pytest.importorskip({"readonly": "numpy"}.get(backend, backend))
    for calls in (1, 4):
        folder = tmp_path / str(calls)
        assert same_run(data, folder, monkeypatch, backend, 2, OPTIMIZERS["momentum"], 7, 3, True, calls)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [8, 400])
@pytest.mark.parametrize("batch_size", [1, 16, 200])
def test_compiled_programs(tmp_path, monkeypatch, batch_size, hidden):
    """They run from the first epoch, or after some: a run that goes on changes over at the same place."""
    pytest.importorskip("numba")
    monkeypatch.setenv("GPUNET_COMPILE", "wait")
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((900, 64)).astype("float32"), rng.integers(0, K, 900)

    def fit(folder, rule):
        net = gn.Network([gn.Dense(hidden, "relu"), gn.Dense(K, "softmax")], seed=1, backend="numpy")
        more = {
            "epochs": 40,
            "batch_size": batch_size,
            "checkpoint": gn.Checkpoint(tmp_path / folder, every=0.0),
        }
        return net, net.fit(X, y, optimizer=rule, **more)

    rules = [(gn.GradientDescent(0.01), (3, 37)), (gn.Adam(0.002), (11,))]
    for rule, killed in rules[:1] if (batch_size, hidden) == (1, 400) else rules:  # Adam takes long there
        whole, history = fit(f"whole {rule}", rule)
        for calls in killed:
            folder = f"{rule} {calls}"
            killed_after(calls, monkeypatch, lambda folder=folder, rule=rule: fit(folder, rule))
            again, resumed = fit(folder, rule)
            assert np.array_equal(numbers(again), numbers(whole))
            assert (figures(resumed), resumed.program) == (figures(history), history.program)


def test_checkpoints_change_nothing(data, tmp_path):
    X, y = data
    more = {"optimizer": OPTIMIZERS["adam"], "epochs": 3, "batch_size": 4, "validation_data": data}
    plain, saving = network(), network()
    history = plain.fit(X, y, **more)
    found = saving.fit(X, y, **more, checkpoint=gn.Checkpoint(tmp_path / "run", every=0.0))
    assert np.array_equal(numbers(plain), numbers(saving))
    assert figures(found) == figures(history)


def test_a_finished_run_returns_its_history(data, tmp_path, monkeypatch):
    X, y = data
    first = network(seed=None)
    history = first.fit(X, y, epochs=3, checkpoint=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["finished"]
    monkeypatch.setattr(TrainingLoop, "run", None)
    again = network(seed=None)
    for net in (first, again, again):
        assert net.fit(X, y, epochs=3, checkpoint=str(tmp_path / "run")) == history
        assert net.history == history
        assert np.array_equal(numbers(net), numbers(first))
    np.testing.assert_array_equal(net.predict(X), first.predict(X))


def test_a_run_goes_on_with_the_seed_that_it_has_drawn(data, tmp_path):
    X, y = data
    first, again = network(seed=None), network(seed=None)
    first.fit(X, y, epochs=2, batch_size=8, checkpoint=tmp_path / "run")
    history = again.fit(X, y, epochs=4, batch_size=8, checkpoint=tmp_path / "run")
    assert again.seed == first.seed
    whole = network(seed=first.seed)
    assert figures(whole.fit(X, y, epochs=4, batch_size=8)) == figures(history)
    assert np.array_equal(numbers(whole), numbers(again))


def test_more_epochs_are_the_same_run(data, tmp_path):
    X, y = data
    more = {"optimizer": OPTIMIZERS["adam"], "batch_size": 8}
    whole = network()
    history = whole.fit(X, y, **more, epochs=6)
    network().fit(X, y, **more, epochs=2, checkpoint=tmp_path / "run")
    again = network()
    assert figures(again.fit(X, y, **more, epochs=6, checkpoint=tmp_path / "run")) == figures(history)
    assert np.array_equal(numbers(again), numbers(whole))
    with pytest.raises(gn.AnotherRun, match="epochs was 6, now it is 4"):
        network().fit(X, y, **more, epochs=4, checkpoint=tmp_path / "run")
    scheduled = {"optimizer": gn.Adam(gn.Cosine(0.01)), "checkpoint": tmp_path / "cosine"}
    network().fit(X, y, **scheduled, epochs=2)
    with pytest.raises(gn.AnotherRun, match="epochs was 2, now it is 3"):
        network().fit(X, y, **scheduled, epochs=3)
    stopped = {"callbacks": gn.EarlyStopping(1, "loss"), "checkpoint": tmp_path / "stopped"}
    network().fit(X, y, **stopped, epochs=2)
    with pytest.raises(gn.AnotherRun, match="epochs was 2, now it is 3"):
        network().fit(X, y, **stopped, epochs=3)


def test_callbacks_with_a_state_of_their_own(data, tmp_path, monkeypatch):
    class Counter:
        def __init__(self):
            self.calls, self.sums = 0, np.zeros(2)

        def __call__(self, net, history):
            self.calls += 1
            self.sums = self.sums + history.loss[-1]
            wait_for_the_writer(net, history)

        def state(self):
            return {"calls": self.calls, "sums": (self.sums,)}

        def set_state(self, state):
            self.calls, (self.sums,) = state["calls"], state["sums"]

    counters = []

    def fit():
        counters.append(Counter())
        checkpoint = gn.Checkpoint(tmp_path / "run", every="epoch")
        return network().fit(*data, epochs=5, callbacks=counters[-1], checkpoint=checkpoint)

    assert killed_after(3, monkeypatch, fit)
    history = fit()
    assert counters[-1].calls == 5
    assert counters[0].calls == 3
    np.testing.assert_allclose(counters[-1].sums, np.sum(history.loss), rtol=1e-12)


def test_a_program_is_told_how_far_the_run_is(data, tmp_path, monkeypatch):
    backend, told = gn.get_backend("readonly"), []

    class Spy(Program):
        name = "spy"

        def resume(self, examples):
            told.append(examples)

        def __call__(self, state, inputs):
            return Reference(backend.namespace(), self.plan)(state, inputs)

    monkeypatch.setattr(type(backend), "program_for", lambda self, plan, device: (Spy(plan), "spy"))

    def fit():
        checkpoint = gn.Checkpoint(tmp_path / "run", steps=2)
        callbacks = wait_for_the_writer
        network("readonly").fit(*data, epochs=3, batch_size=25, callbacks=callbacks, checkpoint=checkpoint)

    assert killed_after(3, monkeypatch, fit)
    fit()
    assert told[0] == 0
    assert told[1] in (M, M + 50)
