"""What monitors return and check, without a run."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.training.monitors import Monitor


class FakeNetwork:
    parameters = "weights"


def history(loss):
    return gn.History(loss=[loss], epochs=1)


def test_results_are_booleans():
    monitor, stop, network = Monitor("loss"), gn.EarlyStopping(5, "loss"), FakeNetwork()
    assert monitor.better(network, history(1.0)) is True
    assert monitor.better(network, history(2.0)) is False
    assert stop(network, history(1.0)) is False
    assert stop(network, history(2.0)) is False


def test_a_new_monitor_has_seen_nothing():
    monitor = Monitor("loss")
    assert (monitor.epoch, monitor.value, monitor.parameters) == (0, -np.inf, None)


def test_a_checkpoint_of_the_best_needs_its_figure(tmp_path):
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    best = gn.SaveNetwork(tmp_path / "best", best_only=True)
    with pytest.raises(ValueError, match="SaveNetwork monitors 'val_loss', which this run does not measure"):
        net.fit(np.eye(3), np.zeros(3), epochs=1, callbacks=best)
    every = gn.SaveNetwork(tmp_path / "every")
    net.fit(np.eye(3), np.zeros(3), epochs=1, callbacks=every)
    assert (tmp_path / "every").exists()
