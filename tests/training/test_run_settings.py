"""What follows from the settings of a run."""

from types import SimpleNamespace

import pytest

from gpunet.training.metrics import Metrics
from gpunet.training.run_settings import RunSettings


@pytest.mark.parametrize(
    ("progress", "checkpoints", "size", "pauses"),
    [(False, None, 1, False), (True, None, 1, True), (False, "a run", 1, True), (False, None, 2, True)],
)
def test_which_runs_pause_within_an_epoch(progress, checkpoints, size, pauses):
    """Those that show how far they are, that are saved, and those of several ranks, which stop together."""
    team = SimpleNamespace(rank=0, size=size)
    settings = RunSettings(0, True, None, Metrics(()), [], progress, checkpoints, team)
    assert settings.pauses is pauses
    assert settings.is_first
