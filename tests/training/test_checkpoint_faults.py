"""Checkpoints that are damaged, a full disk, and a folder that another run uses."""

import numpy as np
import pytest

import gpunet as gn
from broken_runs import killed_after
from checkpoint_runs import examples, figures, network, numbers, wait_for_the_writer
from gpunet.files import checkpoint_folder


@pytest.fixture
def data():
    return examples()


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
