"""What a checkpoint must hold, and when none is written, so that a run goes on to the bit."""

import dataclasses
import multiprocessing
import os

import numpy as np
import pytest

import gpunet as gn
from broken_runs import killed_after
from checkpoint_runs import examples, figures, network, numbers, wait_for_the_writer
from gpunet.training import checkpoint_writer, chunks


@pytest.fixture
def data():
    return examples()


@pytest.mark.parametrize("first", [1, 7])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_bits_do_not_depend_on_where_an_epoch_is_cut(data, tmp_path, monkeypatch, first, frozen):
    """Not even without shuffling, where batches could be slices of X, of examples that are not rows in C order."""
    monkeypatch.setenv("GPUNET_COMPILE", "never")
    rng = np.random.default_rng(0)
    X, y = np.asfortranarray(rng.standard_normal((2000, 20))), rng.integers(0, 3, 2000)
    layers = [gn.Dense(16, "tanh", trainable=not frozen), gn.Dense(12, "tanh"), gn.Dense(3, "softmax")]

    def trained(**more):
        net = gn.Network(layers, seed=1, backend="numpy", dtype="float64")
        net.fit(X, y, optimizer=gn.Adam(0.01), epochs=1, batch_size=4, shuffle=False, **more)
        return numbers(net)

    monkeypatch.setattr(chunks, "FIRST_STEPS", first)
    monkeypatch.setattr(chunks, "SHORT_SECONDS", 0)
    assert np.array_equal(trained(), trained(checkpoint=tmp_path / "run"))


def test_the_size_of_the_inputs_is_kept(data, tmp_path):
    """The default learning rate depends on that of the first fit."""
    X, y = data

    def fit(net, X, epochs, folder):
        net.fit(X, y, epochs=epochs, batch_size=9, checkpoint=tmp_path / folder)
        return net.history.learning_rate

    whole, again = (network(standardizer=None) for _ in range(2))
    fit(whole, 3 * X, 2, "a")
    expected = fit(whole, X, 2, "b")
    fit(again, 3 * X, 2, "a")
    again.save(tmp_path / "net.safetensors", training_state=True)
    loaded = gn.load(tmp_path / "net.safetensors", backend="numpy")
    loaded.fit(X, y, epochs=2, batch_size=9)
    assert loaded.history.learning_rate == expected
    assert np.array_equal(numbers(loaded), numbers(whole))
    other = network(standardizer=None)
    fit(other, 3 * X, 2, "a")  # finished: it returns at once
    assert fit(other, X, 2, "c") == expected
    assert np.array_equal(numbers(other), numbers(whole))


def test_sums_of_squares_that_are_infinite_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4)).astype("float32")
    X[:, 0] = 1.7e12 + 1e9 * X[:, 0]  # milliseconds
    y = rng.standard_normal(60)
    net = gn.Network([gn.Dense(8, "tanh"), gn.Dense(1)], seed=1, backend="numpy")
    with pytest.warns(gn.errors.UnscaledInputs):
        net.fit(X, y, optimizer=gn.Adam(0.01), epochs=2, batch_size=10)
    state = net._trained.state
    state.slots[0][0][1][0, 0] = np.inf
    net.save(tmp_path / "net.safetensors", training_state=True)
    loaded = gn.load(tmp_path / "net.safetensors", backend="numpy")
    assert np.array_equal(numbers(loaded), numbers(net))
    state.slots[0][0][1][0, 0] = np.nan
    net.save(tmp_path / "nan.safetensors", training_state=True)
    with pytest.raises(ValueError, match=r"a slot of the optimizer is float32 .* or holds NaN"):
        gn.load(tmp_path / "nan.safetensors", backend="numpy")


def test_weights_that_are_not_finite_are_not_written(tmp_path, monkeypatch):
    """A divergence is seen at the end of an epoch; the checkpoints within it are those before it."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 5)), rng.integers(0, 3, 300)
    checkpoint = gn.Checkpoint(tmp_path / "run", steps=1)

    def fit():
        net = gn.Network([gn.Dense(8, "relu"), gn.Dense(3, "softmax")], seed=0, backend="numpy")
        net.fit(X, y, optimizer=gn.GradientDescent(1e4), epochs=2, batch_size=1, checkpoint=checkpoint)

    monkeypatch.setenv("GPUNET_COMPILE", "never")
    monkeypatch.setattr(checkpoint_writer.CheckpointWriter, "busy", False)
    for _ in range(2):
        with pytest.raises(gn.Diverged):
            fit()
        for file in tmp_path.glob("run/*.safetensors"):
            found = gn.load(file, backend="numpy")
            assert all(np.isfinite(p).all() for pair in found.parameters for p in pair)


def test_ctrl_c_in_the_first_epoch_keeps_what_callbacks_have_restored(data):
    X, y = data
    ones = [(np.ones((8, X.shape[1])), np.ones((8, 1))), (np.ones((3, 8)), np.ones((3, 1)))]

    class Restores:
        def __call__(self, net, history):
            pass

        def finish(self, net, history):
            net.set_parameters(ones)

    def interrupted(error):
        net = network()

        def stop(X, rng):
            if rng.random() < 0.2:
                raise error
            return X

        with pytest.raises(error):
            net.fit(X, y, epochs=3, batch_size=2, transform=stop, callbacks=Restores())
        return net

    assert np.array_equal(interrupted(KeyboardInterrupt).parameters[0][0], ones[0][0])
    failed = interrupted(RuntimeError)
    assert failed.epochs_trained == 0
    assert not failed.standardizer.fitted


def test_the_best_epoch_is_written_though_another_is_being_written(data, tmp_path, monkeypatch):
    X, y = data
    monkeypatch.setattr(checkpoint_writer.CheckpointWriter, "busy", True)
    values = iter([3.0, 1.0, 2.0, 5.0])

    def figure(y_true, y_pred):
        return next(values)

    checkpoint = gn.Checkpoint(
        tmp_path / "run", every="epoch", best_only=True, monitor="val_figure", mode="min", keep=5
    )
    net = network()
    held = X[:9], y[:9]
    found = []

    def look(net, history):
        wait_for_the_writer(net, history)
        found.append(len(list(tmp_path.glob("run/*.safetensors"))))

    net.fit(
        X,
        y,
        epochs=4,
        batch_size=9,
        validation_data=held,
        metrics={"figure": figure},
        checkpoint=checkpoint,
        callbacks=look,
    )
    assert found == [0, 1, 2, 2]


def hold(started, release):
    started.set()
    release.wait(20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:os.fork:RuntimeWarning")
def test_a_forked_child_does_not_keep_the_folder_locked(data, tmp_path):
    X, y = data
    context = multiprocessing.get_context("fork")
    started, release = context.Event(), context.Event()
    children = []

    def fork(net, history):
        children.append(context.Process(target=hold, args=(started, release), daemon=True))
        children[0].start()
        assert started.wait(20)
        raise RuntimeError("ended")

    more = {"epochs": 2, "batch_size": 9, "checkpoint": gn.Checkpoint(tmp_path / "run", every="epoch")}
    try:
        with pytest.raises(RuntimeError, match="ended"):
            network().fit(X, y, **more, callbacks=fork)
        network().fit(
            X, y, **{**more, "checkpoint": gn.Checkpoint(tmp_path / "run", every="epoch", restart=True)}
        )
    finally:
        release.set()
        children[0].join()


def test_a_factor_of_numpy_is_the_same_number_when_a_run_goes_on(data, tmp_path, monkeypatch):
    X, y = data
    monkeypatch.setattr(checkpoint_writer.CheckpointWriter, "busy", False)

    def slower(net, history):
        history.learning_rate_factor *= np.float32(0.7)

    def fit(folder):
        net = network(dtype="float64")
        checkpoint = gn.Checkpoint(tmp_path / folder, steps=1)
        return net, net.fit(
            X, y, optimizer=gn.Adam(0.01), epochs=4, batch_size=9, callbacks=slower, checkpoint=checkpoint
        )

    whole, history = fit("whole")
    killed_after(16, monkeypatch, lambda: fit("parts"))
    again, resumed = fit("parts")
    assert figures(resumed) == figures(history)
    assert np.array_equal(numbers(again), numbers(whole))


def test_functions_of_the_same_code_are_one_schedule(data):
    X, y = data

    def fits(optimizer):
        net = network()
        for _ in range(2):
            net.fit(X, y, optimizer=optimizer(), epochs=1, batch_size=9)
        return net._trained.updates

    assert fits(lambda: gn.Adam(lambda step, planned: 0.01 / (1 + step))) == 20
    assert fits(lambda: gn.Adam(0.01)) == 20
    rates = iter([0.01, 0.02])
    assert fits(lambda: gn.Adam(next(rates))) == 10


def test_weights_of_a_part_of_an_epoch_are_not_the_initial_ones(data, tmp_path):
    X, y = data
    net = network()
    net._trained.updates = 0
    net.fit(X, y, epochs=1, batch_size=9)
    net._trained.epochs = 0
    assert not net._trained.initial
    assert network()._trained.initial


def test_weights_that_a_callback_sets_as_it_starts_are_those_of_the_beginning(data, tmp_path, monkeypatch):
    X, y = data
    monkeypatch.setattr(checkpoint_writer.CheckpointWriter, "busy", False)
    rng = np.random.default_rng(3)
    given = [
        (rng.standard_normal((8, X.shape[1])), np.ones((8, 1))),
        (rng.standard_normal((3, 8)), np.ones((3, 1))),
    ]

    class Pretrained:
        def start(self, net):
            net.set_parameters(given)

        def __call__(self, net, history):
            pass

    def fit(folder):
        net = network()
        checkpoint = gn.Checkpoint(tmp_path / folder, steps=1)
        more = {"callbacks": Pretrained(), "checkpoint": checkpoint}
        return net, net.fit(X, y, optimizer=gn.Adam(0.01), epochs=4, batch_size=9, **more)

    whole, history = fit("whole")
    killed_after(16, monkeypatch, lambda: fit("parts"))
    again, resumed = fit("parts")
    assert figures(resumed) == figures(history)
    assert np.array_equal(numbers(again), numbers(whole))


def test_validation_figures_do_not_depend_on_whether_the_standardizer_is_new(data, tmp_path, monkeypatch):
    monkeypatch.setenv("GPUNET_COMPILE", "never")
    monkeypatch.setattr(checkpoint_writer.CheckpointWriter, "busy", False)
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((400, 24)), rng.standard_normal(400)
    held = np.asfortranarray(X[:50].astype("float32")), y[:50]

    def fit(folder):
        net = gn.Network(
            [gn.Dense(1)], seed=1, dtype="float64", standardizer=gn.Standardizer(), backend="numpy"
        )
        checkpoint = gn.Checkpoint(tmp_path / folder, every="epoch")
        more = {"validation_data": held, "checkpoint": checkpoint}
        return net.fit(X, y, optimizer=gn.Adam(0.01), epochs=6, batch_size=40, **more)

    history = fit("whole")
    killed_after(3, monkeypatch, lambda: fit("parts"))
    assert fit("parts").val_loss == history.val_loss


def test_more_epochs_are_another_run_where_coefficients_are_ones_own(data, tmp_path):
    X, y = data

    @dataclasses.dataclass(frozen=True)
    class Planned(gn.Adam):
        def coefficients(self, step, planned, updates):
            return super().coefficients(step, planned, updates)

    def fit(optimizer, epochs, folder):
        checkpoint = gn.Checkpoint(tmp_path / folder, every="epoch")
        return network().fit(X, y, optimizer=optimizer, epochs=epochs, batch_size=9, checkpoint=checkpoint)

    fit(Planned(0.01), 1, "own")
    with pytest.raises(gn.AnotherRun, match="epochs"):
        fit(Planned(0.01), 2, "own")
    for optimizer in (gn.Adam(0.01), gn.AdamW(0.01), gn.RMSprop(0.01), gn.GradientDescent(0.01)):
        name = type(optimizer).__name__
        fit(optimizer, 1, name)
        assert fit(optimizer, 2, name).epochs == 2


def test_callbacks_of_a_finished_run_have_their_states(data, tmp_path):
    X, y = data

    def fit():
        stop, log = gn.EarlyStopping(1, min_delta=0.5), gn.CSVLog(tmp_path / "log.csv")
        more = {"validation_fraction": 0.3, "checkpoint": tmp_path / "run", "callbacks": [stop, log, print]}
        return network().fit(X, y, epochs=5, batch_size=9, **more), stop

    history, stop = fit()
    rows = (tmp_path / "log.csv").read_text()
    again, restored = fit()
    assert again == history
    assert (restored.epoch, restored.value) == (stop.epoch, stop.value)
    assert restored.epoch > 0
    assert (tmp_path / "log.csv").read_text() == rows
    (tmp_path / "log.csv").unlink()
    assert fit()[0] == history
    assert not (tmp_path / "log.csv").exists()


def test_an_attribute_that_is_no_such_method_is_left_alone(data, tmp_path, monkeypatch):
    X, y = data

    class Counts:
        def __init__(self):
            self.state = {"epochs": 0}

        def __call__(self, net, history):
            self.state["epochs"] += 1

    class Tells:
        def state(self):
            return {"text": "of somebody else"}

        def __call__(self, net, history):
            pass

    def fit():
        more = {
            "checkpoint": gn.Checkpoint(tmp_path / "run", every="epoch"),
            "callbacks": [Counts(), Tells()],
        }
        return network().fit(X, y, epochs=4, batch_size=9, **more)

    killed_after(3, monkeypatch, fit)
    assert fit().epochs == 4
