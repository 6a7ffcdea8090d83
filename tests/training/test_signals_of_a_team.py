"""A signal that one rank of a team gets stops all of them."""

import signal
from types import SimpleNamespace

import pytest

from gpunet.training.run import TrainingRun


@pytest.mark.parametrize(
    ("own", "others", "stops", "received"),
    [
        (None, [None], False, None),
        (None, [None, signal.SIGTERM, signal.SIGINT], True, signal.SIGTERM),
        (signal.SIGINT, [signal.SIGTERM], True, signal.SIGINT),
    ],
)
def test_told_by_another_rank(own, others, stops, received):
    run = object.__new__(TrainingRun)
    run.team = SimpleNamespace(size=1 + len(others), gather=lambda mine: [*others, mine])
    signals = SimpleNamespace(received=own)
    assert run._told_to_stop(signals) is stops
    assert signals.received == received


@pytest.mark.parametrize("own", [None, signal.SIGINT])
def test_alone(own):
    run = object.__new__(TrainingRun)
    run.team = SimpleNamespace(size=1, gather=None)
    assert run._told_to_stop(SimpleNamespace(received=own)) is (own is not None)
