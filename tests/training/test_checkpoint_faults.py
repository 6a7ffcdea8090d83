"""Checkpoints that are damaged, a full disk, and a folder that another run uses."""

import os
import shutil

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


def test_a_folder_that_is_removed_ends_no_run(data, tmp_path):
    whole = network()
    history = whole.fit(*data, epochs=4, batch_size=9)

    def removing(net, history):
        wait_for_the_writer(net, history)
        shutil.rmtree(tmp_path / "run", ignore_errors=True)

    net = network()
    checkpoint = gn.Checkpoint(tmp_path / "run", every="epoch")
    with pytest.warns(gn.CheckpointNotWritten, match=r"could not be written to .*run.*No such file"):
        found = net.fit(*data, epochs=4, batch_size=9, callbacks=removing, checkpoint=checkpoint)
    assert figures(found) == figures(history)
    assert np.array_equal(numbers(net), numbers(whole))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_to_is_noticed_before_the_run(data, tmp_path, monkeypatch):
    """Its lock may be there from a time when it could be."""
    more = {"optimizer": gn.Adam(0.01), "batch_size": 9, "checkpoint": tmp_path / "run"}
    network().fit(*data, epochs=1, **more)
    opened = os.open

    def read_only(path, flags, *mode):
        if flags & os.O_CREAT and not os.path.exists(path):
            raise OSError(30, "Read-only file system", os.fspath(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", read_only)
    net = network()
    assert net.fit(*data, epochs=1, **more).epochs == 1  # it has ended: nothing to write
    net = network()
    with pytest.raises(OSError, match=r"can't save to .*run.manifest.json: Read-only file system"):
        net.fit(*data, epochs=2, **more)
    assert net.epochs_trained == 0


def test_a_callback_that_changes_the_current_folder(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    network().fit(
        *data,
        epochs=3,
        callbacks=lambda net, history: monkeypatch.chdir(tmp_path / "elsewhere"),
        checkpoint=gn.Checkpoint("run", every="epoch"),
    )
    assert os.listdir(tmp_path / "elsewhere") == []
    assert gn.load(sorted(tmp_path.glob("run/*.safetensors"))[-1], "numpy").epochs_trained == 3


def test_another_runs_checkpoints_stay_that_this_network_cannot_read(data, tmp_path):
    """They name an activation that it does not have."""
    own = gn.Activation("double", lambda xp, Z: 2 * Z, lambda xp, dA, Z, A: 2 * dA)
    theirs = gn.Network([gn.Dense(4, own), gn.Dense(3, "softmax")], seed=1, backend="numpy")
    theirs.fit(*data, epochs=2, checkpoint=gn.Checkpoint(tmp_path / "run", every="epoch"))
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir())
    net = network()
    with pytest.raises(gn.FileRefused, match=r"no checkpoint in .*run can be read.*'double'"):
        net.fit(*data, epochs=1, checkpoint=tmp_path / "run")
    assert net.epochs_trained == 0
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir()) == before
    net.fit(*data, epochs=1, checkpoint=gn.Checkpoint(tmp_path / "run", restart=True))
    assert len(list(tmp_path.glob("run/*.safetensors"))) == 1
