"""What a run that goes on takes over."""

import pytest

from gpunet.training.history import History
from gpunet.training.saved import resumed_history


@pytest.mark.parametrize("name", ["program", "reason", "backend", "device"])
def test_what_runs_now_stays(name):
    """Another program, or another place, may go on with a run: the history says which does."""
    history = History(examples=5, program="new", reason="new", backend="new", device="new")
    resumed_history(history, {name: "old", "loss": [3.0], "epochs": 1})
    assert getattr(history, name) == "new"
    assert history.loss == [3.0] and history.epochs == 1
