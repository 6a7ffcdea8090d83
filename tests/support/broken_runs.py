"""Runs that end in the middle of an epoch, and go on from their checkpoint."""

from gpunet.training.loop import TrainingLoop
from small_networks import same


class Killed(Exception):
    """In the place of a process that ends."""


def killed_after(calls, monkeypatch, fit):
    """Run `fit`, and end it in the middle of its chunk number `calls`, counted from 0; whether there was one."""
    run_steps, left = TrainingLoop._run_steps, [calls]

    def ending(self, *arguments):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return run_steps(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_run_steps", ending)
        try:
            fit()
        except Killed:
            return True
    return False


def require_that_it_goes_on(fit, monkeypatch):
    """``fit(folder)``, with checkpoints, gives the same network to the bit wherever it was broken off.

    Chunks are short, so that there are some in each epoch.
    """
    monkeypatch.setattr("gpunet.training.chunks.FIRST_STEPS", 2)
    monkeypatch.setattr("gpunet.training.chunks.SHORT_SECONDS", 0.0)
    whole = fit("whole")
    for calls in (2, 3, 7):
        assert killed_after(calls, monkeypatch, lambda calls=calls: fit(str(calls)))
        assert same(fit(str(calls)), whole)
