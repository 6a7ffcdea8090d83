"""A checkpoint of another run is refused with what differs, or begun afresh."""

import numpy as np
import pytest

import gpunet as gn
from broken_runs import killed_after
from checkpoint_runs import M, examples, network, numbers


@pytest.fixture
def data():
    return examples()


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
    "that run began with the initial weights of a network, this one with weights that were": trained_before,
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


def test_a_network_file_is_no_run(data, tmp_path):
    net = network()
    net.fit(*data, epochs=1)
    (tmp_path / "run").mkdir()
    net.save(tmp_path / "run" / "checkpoint-000007.safetensors")
    with pytest.raises(gn.AnotherRun, match="holds a network without a run to go on with"):
        network().fit(*data, epochs=1, checkpoint=tmp_path / "run")


def test_weights_that_are_set_after_a_run_are_not_replaced_by_its_own(data, tmp_path):
    net = network()
    more = {"epochs": 2, "checkpoint": tmp_path / "run"}
    net.fit(*data, **more)
    assert net.fit(*data, **more).epochs == 2  # the history of the run
    net.set_parameters([(2 * W, b) for W, b in net.parameters])
    before = numbers(net)
    with pytest.raises(gn.AnotherRun, match="this one with weights that were trained or set"):
        net.fit(*data, **more)
    assert np.array_equal(numbers(net), before)


class Fails:
    """Where its file can't be written yet."""

    def __init__(self):
        self.fixed = True

    def start(self, net):
        if not self.fixed:
            raise OSError("no such folder")

    def __call__(self, net, history):
        pass


@pytest.mark.parametrize("where", ["callback", "weights"])
def test_a_run_that_cannot_go_on_yet_goes_on_later(data, tmp_path, monkeypatch, where):
    """With the same network, as in a notebook, where the call is made again once its cause is removed."""
    callback = Fails()
    more = {"epochs": 3, "batch_size": 8, "callbacks": callback}

    def fit(net, folder):
        net.fit(*data, **more, checkpoint=gn.Checkpoint(tmp_path / folder, steps=2))

    whole, again = network(), network()
    fit(whole, "whole")
    assert killed_after(2, monkeypatch, lambda: fit(network(), "parts"))
    with monkeypatch.context() as patch:
        if where == "callback":
            patch.setattr(callback, "fixed", False)
        else:  # after the callbacks have started, and the optimizer's slots are there
            patch.setattr("gpunet.training.preparation.FrozenBase", failing)
        with pytest.raises(OSError, match="no such folder"):
            fit(again, "parts")
    fit(again, "parts")
    assert np.array_equal(numbers(again), numbers(whole))


def failing(*given, **more):
    raise OSError("no such folder")
