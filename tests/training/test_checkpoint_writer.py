"""The thread that writes checkpoints, and who waits for it."""

import threading
import time
from types import SimpleNamespace

import pytest

import gpunet as gn
from gpunet.training.checkpoint import CheckpointedRun


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
