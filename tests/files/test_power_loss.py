"""The power goes in the middle of a save: each state that may be on the disk then holds the old or the new."""

import warnings

import numpy as np
import pytest

import gpunet as gn
from gpunet.files.atomic import write_atomically
from gpunet.files.checkpoint_folder import CheckpointFolder
from gpunet.files.saved_network import SavedNetwork
from power_loss import RecordedDisk, put


def saved(epochs):
    """A network that was trained for so many epochs."""
    W = np.full((1, 2), epochs, "float32")
    return SavedNetwork([gn.Dense(1)], "squared_error", 2, 0, "float32", None, [(W, W[:, :1])], epochs, {})


@pytest.fixture
def disk(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    recorded = RecordedDisk(tmp_path / "disk")
    with monkeypatch.context() as patch:
        recorded.record(patch)
        recorded.stop = patch.undo
        yield recorded
    recorded.close()


def test_a_file_is_the_old_one_or_the_new_one(disk, tmp_path):
    path, contents = tmp_path / "disk" / "net", [b"1" * 50, b"2" * 70, b"3" * 20]
    for old, new in zip([None, *contents], contents, strict=False):
        begun = len(disk.moments) - 1
        write_atomically(path, new)
        for files in disk.states(begun):
            assert files.get("net") in (old, new)
        for files in disk.states(len(disk.moments) - 1):
            assert files == {"net": new}


@pytest.mark.parametrize("keep", [1, 2, 3])
@pytest.mark.parametrize("folder", ["run", "runs/today/run"])
def test_a_folder_has_a_whole_checkpoint(disk, tmp_path, folder, keep):
    """The newest one or the one before it, from the first on; and the folder itself is there."""
    checkpoints, count, after = CheckpointFolder(tmp_path / "disk" / folder, keep), 0, []
    for epochs in range(1, 6):
        begun = len(disk.moments) - 1
        checkpoints.write(saved(epochs), {"epoch": epochs})
        after.append((epochs, list(disk.states(begun)), list(disk.states(len(disk.moments) - 1))))
    disk.stop()  # from here on this test's own files
    for epochs, while_written, once_written in after:
        for files in [*while_written, *once_written]:
            count += 1
            put(files, tmp_path / str(count))
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # no file with a checkpoint's name is cut short
                newest = CheckpointFolder(tmp_path / str(count) / folder, keep).newest()
            found = 0 if newest is None else newest.epochs_trained
            assert found in ((epochs,) if files in once_written else (epochs - 1, epochs))
    assert count > 30


def test_another_run_goes_when_the_first_checkpoint_is_there(disk, tmp_path):
    checkpoints = CheckpointFolder(tmp_path / "disk" / "run", 3)
    for epochs in (7, 8, 9):
        checkpoints.write(saved(epochs), {"epoch": epochs})
    begun = len(disk.moments) - 1
    checkpoints.write(saved(1), {"epoch": 1}, alone=True)
    states = list(disk.states(begun))
    disk.stop()
    for count, files in enumerate(states):
        put(files, tmp_path / str(count))
        assert CheckpointFolder(tmp_path / str(count) / "run", 3).newest().epochs_trained in (9, 1)
    assert [path.name for path in checkpoints.files()] == ["checkpoint-000004.safetensors"]
