"""What a run that goes on takes over."""

import numpy as np
import pytest

from gpunet.devices.placement import Placement
from gpunet.training.history import History
from gpunet.training.saved import on_host, resumed_history


@pytest.mark.parametrize("name", ["program", "reason", "backend", "device"])
def test_what_runs_now_stays(name):
    """Another program, or another place, may go on with a run: the history says which does."""
    history = History(examples=5, program="new", reason="new", backend="new", device="new")
    resumed_history(history, {name: "old", "loss": [3.0], "epochs": 1})
    assert getattr(history, name) == "new"
    assert history.loss == [3.0] and history.epochs == 1


def test_arrays_of_a_nested_value_come_to_the_host(backend):
    placement = Placement(backend, backend.devices()[0])
    given = np.arange(3.0, dtype="float32")
    array = placement.to_device(given)
    found = on_host({"slots": [((array,), ())], "updates": 7}, placement)
    [[[on_the_host], empty]] = found["slots"]
    assert type(on_the_host) is np.ndarray and np.array_equal(on_the_host, given)
    assert empty == [] and found["updates"] == 7
