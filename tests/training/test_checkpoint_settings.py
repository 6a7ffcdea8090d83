"""When checkpoints are written, which are kept, and settings that are refused."""

import json

import numpy as np
import pytest

import gpunet as gn
from broken_runs import killed_after
from checkpoint_runs import examples, figures, network, numbers, wait_for_the_writer
from gpunet.files import checkpoint_folder


@pytest.fixture
def data():
    return examples()


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


def test_bad_settings(data, tmp_path):
    for settings, message in [
        ({"every": "day"}, "every must be a number of seconds, or 'epoch'; got 'day'"),
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


def test_numbers_of_numpy_in_a_call(data, tmp_path):
    """Those of a search, say: they are written as numbers, into the manifest too."""
    numbers_of_numpy = {
        "validation_fraction": np.float32(0.25),
        "label_smoothing": np.float32(0.125),
        "batch_size": np.int16(30),
        "epochs": np.int8(3),
        "class_weight": np.array([1.0, 2.0, 1.0], "float32"),
    }
    net = network()
    history = net.fit(*data, **numbers_of_numpy, checkpoint=gn.Checkpoint(tmp_path, every="epoch", keep=1))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["epoch"], manifest["finished"]) == (3, True)
    assert manifest["call"]["validation_fraction"] == 0.25
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    again = network()
    assert figures(again.fit(*data, **numbers_of_numpy, checkpoint=tmp_path)) == figures(history)
    assert np.array_equal(numbers(again), numbers(net))
