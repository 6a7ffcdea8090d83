"""What a run that goes on takes over."""

import numpy as np
import pytest

from gpunet.devices.placement import Placement
from gpunet.training.history import History
from gpunet.training.position import Position
from gpunet.training.saved import on_host, resumed_history, saved_run


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


class Average:
    """A callback whose arrays change in place."""

    def __init__(self):
        self.mean, self.others = np.ones(3), [np.zeros(2), (np.ones(2), "text")]

    def state(self):
        return {"mean": self.mean, "others": self.others, "count": 3}

    def set_state(self, state):
        """Without it there is no state."""


def test_a_checkpoint_has_arrays_of_its_own(backend):
    """It is written while training goes on, and callbacks may write into theirs."""
    place = Placement(backend, backend.devices()[0])
    callback = Average()
    callback.others.append(place.to_device(np.ones(2, "float32")))
    (found, none) = saved_run(Position(), History(), [callback, print], False, place)["callbacks"]
    callback.mean += 1
    callback.others[0] += 1
    callback.others[1][0][:] = 0
    assert none is None
    assert found["count"] == 3 and found["others"][1][1] == "text"
    assert found["mean"].tolist() == [1.0] * 3
    assert found["others"][0].tolist() == [0.0] * 2
    assert found["others"][1][0].tolist() == [1.0] * 2
    assert found["others"][2].tolist() == [1.0] * 2 and isinstance(found["others"][2], np.ndarray)


class Counting:
    """Its state is what it goes on counting with."""

    def __init__(self):
        self.total, self.seen, self.by_name = np.zeros(2), [], {"inner": [1]}

    def __call__(self, network, history):
        self.total += 1
        self.seen.append(history)
        self.by_name["inner"].append(2)

    def state(self):
        return {"total": self.total, "seen": self.seen, "by_name": self.by_name}

    def set_state(self, state):
        """Without it there is no state."""


def test_the_state_of_a_callback_is_a_copy(backend):
    """A thread writes it while the run goes on: changed in between, the file would not be what its digest says."""
    placement = Placement(backend, backend.devices()[0])
    callback = Counting()
    kept = saved_run(Position(), History(), [callback, len], False, placement)["callbacks"]
    callback(None, "epoch")
    assert kept[0]["total"].tolist() == [0.0, 0.0]
    assert (kept[0]["seen"], kept[0]["by_name"], kept[1]) == ([], {"inner": [1]}, None)
