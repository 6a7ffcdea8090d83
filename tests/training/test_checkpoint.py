"""A run that ends in the middle goes on from its checkpoint, to the bit."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gpunet as gn
from broken_runs import killed_after
from gpunet.core.program import Program
from gpunet.core.reference import Reference
from gpunet.files import checkpoint_folder
from gpunet.training.loop import TrainingLoop

M, N, K = 90, 6, 3
OPTIMIZERS = {
    "descent": gn.GradientDescent(0.05),
    "momentum": gn.GradientDescent(gn.Cosine(0.1), momentum=0.8, nesterov=True, weight_decay=0.01),
    "rmsprop": gn.RMSprop(gn.Exponential(0.01, 0.9, every=20), decay=0.9),
    "adam": gn.Adam(0.01, beta1=0.8, clip_norm=1.0),
    "adamw": gn.AdamW(gn.Cosine(0.01, warmup=0.2, steps=100)),
}


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    return rng.standard_normal((M, N)).astype("float32") * 3 + 1, rng.integers(0, K, M)


def network(backend="numpy", seed=4, dropout=0.2, **more):
    layers = [gn.Dense(8, "relu"), gn.Dropout(dropout), gn.Dense(K, "softmax")]
    return gn.Network(layers, seed=seed, backend=backend, **{"standardizer": gn.Standardizer(), **more})


def numbers(net):
    to_host = net.placement.backend.to_host
    state = net._trained.state
    return np.concatenate(
        [to_host(p).ravel() for pair in state.parameters for p in pair]
        + [to_host(s).ravel() for pair in state.slots for slots in pair for s in slots]
    )


def figures(history):
    return (
        history.loss,
        history.val_loss,
        history.val_accuracy,
        history.learning_rate,
        history.epochs,
        history.stopped,
    )


def same_run(data, tmp_path, monkeypatch, backend, seed, optimizer, batch_size, steps, stopping, calls):
    """An undisturbed run, and one that was ended and went on, give the same bits."""
    X, y = data
    more = {"optimizer": optimizer, "epochs": 5, "batch_size": batch_size, "validation_fraction": 0.3}

    def fit(folder):
        net = network(backend, seed)
        callbacks = gn.EarlyStopping(2, min_delta=0.02) if stopping else ()
        checkpoint = gn.Checkpoint(tmp_path / folder, steps=steps)
        return net, net.fit(X, y, **more, callbacks=callbacks, checkpoint=checkpoint)

    whole, history = fit("whole")
    killed = killed_after(calls, monkeypatch, lambda: fit("parts"))
    again, resumed = fit("parts")
    assert np.array_equal(numbers(again), numbers(whole))
    assert figures(resumed) == figures(history)
    assert len(resumed.seconds) == history.epochs
    return killed


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

    for rule in (gn.GradientDescent(0.01), gn.Adam(0.002)):
        whole, history = fit(f"whole {rule}", rule)
        for calls in (3, 11, 37):
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


def another_seed(data):
    return network(seed=9), data, {}


def other_layers(data):
    return network(dropout=0.3), data, {}


def other_data(data):
    X, y = data
    X = X.copy()
    X[-1, -1] += 1e-3
    return network(), (X, y), {}


def fewer_rows(data):
    return network(), (data[0][:80], data[1][:80]), {}


def trained_before(data):
    net = network()
    net.fit(*data, epochs=1)
    return net, data, {}


OTHER_CALLS = {
    "seed was 4, now it is 9": another_seed,
    r"dropout was \[0.0, 0.2\], now it is \[0.0, 0.3\]": other_layers,
    r"X was 'float32 \(90, 6\) \w+', now it is 'float32 \(90, 6\) \w+'": other_data,
    r"X was 'float32 \(90, 6\) \w+', now it is 'float32 \(80, 6\) \w+'": fewer_rows,
    "weights was None": trained_before,
    "optimizer: beta2 was 0.999, now it is 0.99": lambda data: (
        network(),
        data,
        {"optimizer": gn.Adam(0.01, beta2=0.99)},
    ),
    "batch_size was 8, now it is 9": lambda data: (network(), data, {"batch_size": 9}),
    "shuffle was True, now it is False": lambda data: (network(), data, {"shuffle": False}),
    "callbacks was": lambda data: (network(), data, {"callbacks": gn.EarlyStopping(monitor="loss")}),
    "validation_fraction was 0.0, now it is 0.1": lambda data: (
        network(),
        data,
        {"validation_fraction": 0.1},
    ),
    "sample_weight was None": lambda data: (network(), data, {"sample_weight": np.ones(M)}),
    "class_weight was None": lambda data: (network(), data, {"class_weight": {0: 2.0}}),
    "standardizer was": lambda data: (network(standardizer=None), data, {}),
    "dtype was 'float32', now it is 'float64'": lambda data: (network(dtype="float64"), data, {}),
}


@pytest.mark.parametrize("message", OTHER_CALLS)
def test_another_call_is_refused_with_what_differs(data, tmp_path, message):
    more = {"optimizer": gn.Adam(0.01), "epochs": 2, "batch_size": 8, "checkpoint": tmp_path / "run"}
    first = network()
    first.fit(*data, **more)
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir())
    net, rows, changes = OTHER_CALLS[message](data)
    fresh = net.epochs_trained
    with pytest.raises(gn.AnotherRun, match=f"{message}.*begin afresh there with .*restart=True"):
        net.fit(*rows, **{**more, **changes})
    assert net.epochs_trained == fresh
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir()) == before


def test_restart(data, tmp_path):
    network(seed=1).fit(*data, epochs=2, checkpoint=gn.Checkpoint(tmp_path / "run", every="epoch"))
    net, expected = network(seed=2), network(seed=2)
    net.fit(*data, epochs=1, checkpoint=gn.Checkpoint(tmp_path / "run", restart=True))
    expected.fit(*data, epochs=1)
    assert np.array_equal(numbers(net), numbers(expected))
    assert len(list(tmp_path.glob("run/*.safetensors"))) == 1
    assert np.array_equal(
        network(seed=2).fit(*data, epochs=1, checkpoint=tmp_path / "run").loss, net.history.loss
    )


def test_when_they_are_written(data, tmp_path):
    def written(epochs=4, **settings):
        folder = tmp_path / str(settings)
        steps = []
        write = checkpoint_folder.CheckpointFolder.write

        def counting(self, saved, about, **more):
            steps.append((about["epoch"], about["step"]))
            write(self, saved, about, **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checkpoint_folder.CheckpointFolder, "write", counting)
            more = {"validation_data": data, "callbacks": wait_for_the_writer}
            network().fit(
                *data, epochs=epochs, batch_size=30, **more, checkpoint=gn.Checkpoint(folder, **settings)
            )
        assert len(list(folder.glob("*.safetensors"))) == min(settings.get("keep", 3), len(steps))
        return steps

    assert written(every="epoch", keep=2) == [(1, 0), (2, 0), (3, 0), (4, 0), (4, 0)]
    assert written(every=1e6) == [(4, 0)]
    assert {(1, 0), (4, 0)} <= set(written(every=0.0, keep=50))
    assert set(written(steps=2, keep=50)) >= {(0, 2), (4, 0)}
    assert written(1, steps=5) == [(1, 0), (1, 0)]


def wait_for_the_writer(network, history):
    import threading

    for thread in threading.enumerate():
        if thread.name == "gpunet checkpoint":
            thread.join()


def test_best_only(data, tmp_path, monkeypatch):
    """Checkpoints are the best epochs; a run that goes on repeats what came after."""
    X, y = data
    more = {
        "optimizer": gn.GradientDescent(2.0),
        "epochs": 9,
        "batch_size": 10,
        "validation_data": (X[:30], y[:30]),
    }
    whole = network()
    history = whole.fit(X, y, **more)
    best = int(np.argmin(history.val_loss[:7])) + 1
    assert best < 7  # or this tests nothing

    def fit():
        checkpoint = gn.Checkpoint(tmp_path / "run", best_only=True, keep=1)
        net = network()
        return net, net.fit(X, y, **more, callbacks=wait_for_the_writer, checkpoint=checkpoint)

    assert killed_after(7, monkeypatch, fit)
    (path,) = tmp_path.glob("run/*.safetensors")
    assert gn.load(path, "numpy").epochs_trained == best
    again, resumed = fit()
    assert figures(resumed) == figures(history)
    assert np.array_equal(numbers(again), numbers(whole))


def test_a_damaged_checkpoint_is_passed_over(data, tmp_path, monkeypatch):
    X, y = data
    more = {"epochs": 4, "batch_size": 9, "checkpoint": gn.Checkpoint(tmp_path / "run", every="epoch")}
    whole = network()
    history = whole.fit(X, y, epochs=4, batch_size=9)
    killed_after(3, monkeypatch, lambda: network().fit(X, y, **more, callbacks=wait_for_the_writer))
    newest, older = sorted(tmp_path.glob("run/*.safetensors"))[::-1][:2]
    for damage in (lambda b: b[: len(b) // 2], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""):
        content = newest.read_bytes()
        newest.write_bytes(damage(content))
        folder = checkpoint_folder.CheckpointFolder(tmp_path / "run", 3)
        with pytest.warns(gn.CheckpointDamaged, match=newest.name):
            found = folder.newest()
        assert found.epochs_trained == gn.load(older, "numpy").epochs_trained
        newest.write_bytes(content)
    newest.write_bytes(b"")
    (tmp_path / "run" / "manifest.json").write_text("nothing of use")
    net = network()
    with pytest.warns(gn.CheckpointDamaged):
        found = net.fit(X, y, **more, callbacks=wait_for_the_writer)
    assert figures(found) == figures(history)
    assert np.array_equal(numbers(net), numbers(whole))


def test_a_full_disk_ends_no_run(data, tmp_path, monkeypatch):
    """The checkpoint before it stays, and the run can go on from there."""
    X, y = data
    whole = network()
    history = whole.fit(X, y, epochs=4, batch_size=9)
    write = checkpoint_folder.write_atomically
    checkpoint = gn.Checkpoint(tmp_path / "run", every="epoch")
    full = [False]

    def on_disk(path, data):
        if full[0]:
            raise OSError(28, "No space left on device")
        write(path, data)

    def filling(net, history):
        wait_for_the_writer(net, history)
        full[0] = history.epochs >= 2

    monkeypatch.setattr(checkpoint_folder, "write_atomically", on_disk)
    net = network()
    with pytest.warns(gn.CheckpointNotWritten, match="No space left.*") as seen:
        found = net.fit(X, y, epochs=4, batch_size=9, callbacks=filling, checkpoint=checkpoint)
    assert len(seen) >= 1
    assert seen[0].filename == __file__
    assert figures(found) == figures(history)
    monkeypatch.undo()
    full[0] = False
    again = network()
    resumed = again.fit(X, y, epochs=4, batch_size=9, callbacks=filling, checkpoint=checkpoint)
    assert figures(resumed) == figures(history)
    assert np.array_equal(numbers(again), numbers(whole))


def test_a_folder_is_for_one_run_at_a_time(data, tmp_path):
    def second(net, history):
        with pytest.raises(gn.FolderInUse, match="another run writes its checkpoints to"):
            network().fit(*data, epochs=1, checkpoint=tmp_path / "run")

    network().fit(*data, epochs=1, callbacks=second, checkpoint=tmp_path / "run")
    network().fit(*data, epochs=1, callbacks=second, checkpoint=tmp_path / "run")


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


# --- signals ------------------------------------------------------------------------------------


def test_ctrl_c_saves_and_the_same_call_goes_on(data, tmp_path):
    X, y = data
    more = {"optimizer": OPTIMIZERS["momentum"], "epochs": 6, "batch_size": 5}
    whole = network()
    history = whole.fit(X, y, **more)
    run_steps, calls = TrainingLoop._run_steps, []

    def interrupting(self, *arguments):
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return run_steps(self, *arguments)

    net = network()
    checkpoint = gn.Checkpoint(tmp_path / "run", steps=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_run_steps", interrupting)
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y, **more, checkpoint=checkpoint)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert 0 < net.history.epochs < 6
    assert net.history.loss == history.loss[: net.history.epochs]
    saved = gn.load(sorted(tmp_path.glob("run/*.safetensors"))[-1], "numpy")
    assert np.array_equal(numbers(saved), numbers(net))
    for one in (net, network()):  # in this process, and as in another one
        assert figures(one.fit(X, y, **more, checkpoint=checkpoint)) == figures(history)
        assert np.array_equal(numbers(one), numbers(whole))


def test_ctrl_c_twice_does_not_wait(data, tmp_path):
    run_steps = TrainingLoop._run_steps

    def interrupting(self, *arguments):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one has not acted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_run_steps", interrupting)
        with pytest.raises(KeyboardInterrupt):
            network().fit(*data, epochs=2, checkpoint=tmp_path / "run")
    assert TrainingLoop._run_steps is run_steps
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


SCRIPT = """
    import os, signal, sys
    import numpy as np
    import gpunet as gn
    from gpunet.training.loop import TrainingLoop

    folder, ending, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((200, 6)), rng.integers(0, 3, 200)
    run_steps, calls = TrainingLoop._run_steps, []

    def counting(self, *arguments):
        calls.append(1)
        if ending and len(calls) == at:
            os.kill(os.getpid(), getattr(signal, ending))
        return run_steps(self, *arguments)

    TrainingLoop._run_steps = counting
    net = gn.Network([gn.Dense(5, "tanh"), gn.Dense(3, "softmax")], seed=1, backend="numpy")
    history = net.fit(X, y, epochs=4, batch_size=10, checkpoint=gn.Checkpoint(folder, steps=3))
    print(history.loss, [W.tolist() for W, _ in net.parameters])
"""


def test_processes_that_are_killed(tmp_path):
    """However a process ends, the same command goes on; SIGTERM ends it with its own code."""
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))

    def run(folder, ending="", at=0):
        command = [sys.executable, str(script), str(tmp_path / folder), ending, str(at)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    whole = run("whole")
    assert whole.returncode == 0, whole.stderr
    assert run("parts", "SIGKILL", 9).returncode == -signal.SIGKILL
    assert run("parts", "SIGTERM", 4).returncode == -signal.SIGTERM
    assert run("parts", "SIGINT", 3).returncode == -signal.SIGINT
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) == 3
    assert run("parts").stdout == whole.stdout


# --- bad input ----------------------------------------------------------------------------------


def test_bad_settings(data, tmp_path):
    for settings, message in [
        ({"every": "day"}, "every"),
        ({"every": -1.0}, "every"),
        ({"steps": 0}, "steps"),
        ({"keep": 0}, "keep"),
        ({"monitor": "accuracy"}, "monitor"),
    ]:
        with pytest.raises(ValueError, match=message):
            gn.Checkpoint("run", **settings)
    with pytest.raises(TypeError, match="checkpoint must be a folder or a Checkpoint, got 3"):
        network().fit(*data, checkpoint=3)
    with pytest.raises(TypeError, match="is no callback: give it to fit as checkpoint="):
        network().fit(*data, callbacks=[gn.Checkpoint("run")])
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="checkpoints go into a folder"):
        network().fit(*data, checkpoint=tmp_path / "file")


def test_best_only_needs_what_it_monitors(data, tmp_path):
    with pytest.raises(ValueError, match="monitors 'val_loss', which this run does not measure"):
        network().fit(*data, epochs=1, checkpoint=gn.Checkpoint(tmp_path / "run", best_only=True))


def test_a_network_file_is_no_run(data, tmp_path):
    net = network()
    net.fit(*data, epochs=1)
    (tmp_path / "run").mkdir()
    net.save(tmp_path / "run" / "checkpoint-000007.safetensors")
    with pytest.raises(gn.AnotherRun, match="holds a network without a run to go on with"):
        network().fit(*data, epochs=1, checkpoint=tmp_path / "run")
