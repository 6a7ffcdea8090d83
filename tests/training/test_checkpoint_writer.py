"""The thread that writes checkpoints, and who waits for it."""

import threading
import time
from types import SimpleNamespace

import pytest

import gpunet as gn
from gpunet.files.checkpoint_folder import NotTidied
from gpunet.training.checkpointed_run import CheckpointedRun


class SavedHere(SimpleNamespace):
    """In the place of a network that is saved."""

    def _replace(self, **changes):
        return SavedHere(**{**vars(self), **changes})


@pytest.mark.parametrize("wait", [False, True])
def test_who_waits(tmp_path, wait):
    """`write` returns at once, unless it is told to wait; the next one waits for the one before."""
    events, may_write = [], threading.Event()

    def write(saved, manifest, alone):
        may_write.wait(20)
        time.sleep(0.05)
        events.append(manifest["epoch"])

    run = CheckpointedRun(gn.Checkpoint(tmp_path), SimpleNamespace(write=write), {"epochs": 3}, None)

    def begin(epoch):
        run.write(SavedHere(training={}), {"position": {"epoch": epoch, "step": 0}}, wait=wait)

    if wait:
        may_write.set()
    begin(1)
    assert events == ([1] if wait else [])
    may_write.set()
    begin(2)
    assert events[:1] == [1]
    run.wait()
    assert events == [1, 2]


def test_when_the_last_one_was_begun(tmp_path):
    """From then on the time to the next one counts."""
    folder = SimpleNamespace(write=lambda *arguments, **more: None)
    run = CheckpointedRun(gn.Checkpoint(tmp_path, every=60.0), folder, {"epochs": 3}, None)
    run.written -= 100
    assert run.due(1, None) and not run.finished
    run.write(SavedHere(training={}), {"position": {"epoch": 1, "step": 1}}, wait=True)
    assert not run.due(1, None)


def begin(run, epoch=1, wait=True):
    run.write(SavedHere(training={}), {"position": {"epoch": epoch, "step": 0}}, wait=wait)


def test_where_no_thread_can_be_started(tmp_path, monkeypatch):
    """Then training waits; the run goes on, and so does the next checkpoint in a thread."""
    written = []
    folder = SimpleNamespace(
        write=lambda saved, manifest, alone: written.append(threading.current_thread().name)
    )
    run = CheckpointedRun(gn.Checkpoint(tmp_path), folder, {"epochs": 3}, None)

    def none_left(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        begin(run, wait=False)
    assert written == ["MainThread"]
    begin(run)
    assert written == ["MainThread", "gpunet checkpoint"]


def test_older_ones_that_cannot_be_removed(tmp_path):
    """The checkpoint is there, which the warning does not deny; the next one removes no more than is asked for."""
    asked = []

    def write(saved, manifest, alone):
        asked.append(alone)
        raise NotTidied(13, "checkpoint-000001.safetensors is there, but: Permission denied")

    run = CheckpointedRun(gn.Checkpoint(tmp_path), SimpleNamespace(write=write), {"epochs": 3}, None)
    for _ in range(2):
        with pytest.warns(gn.CheckpointNotWritten, match="was written .* not be tidied: .*Permission denied"):
            begin(run)
    assert asked == [True, False]


def test_one_that_is_not_written_is_still_the_first(tmp_path):
    """Of a run that begins afresh: the other run's stay until it is there."""
    asked, errors = [], [OSError(28, "No space left on device"), None]

    def write(saved, manifest, alone):
        asked.append(alone)
        if error := errors.pop(0):
            raise error

    run = CheckpointedRun(gn.Checkpoint(tmp_path), SimpleNamespace(write=write), {"epochs": 3}, None)
    with pytest.warns(gn.CheckpointNotWritten, match="could not be written .*No space left"):
        begin(run)
    begin(run)
    assert asked == [True, True]
    assert not run.writer.alone


def test_the_clock_set_back(tmp_path, monkeypatch):
    """It does not put off the next checkpoint."""
    now = [1e9]
    monkeypatch.setattr(time, "time", lambda: now[0])
    folder = SimpleNamespace(write=lambda *arguments, **more: None)
    run = CheckpointedRun(gn.Checkpoint(tmp_path, every=0.0), folder, {"epochs": 3}, None)
    begin(run)
    now[0] -= 3600.0
    assert run.due(1, None)
