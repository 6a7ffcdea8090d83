"""How much of an epoch is prepared at a time."""

import pytest

from small_networks import N


@pytest.fixture
def chunks_of(monkeypatch):
    """``chunks_of(examples)``: transform so many at a time."""
    return lambda examples: monkeypatch.setattr("gpunet.training.feed.MOST_TRANSFORMED", examples * N)
