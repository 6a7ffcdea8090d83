"""How much of an epoch is prepared at a time; windows of numbered examples."""

import pytest

from numbered_windows import windows_maker
from small_networks import N


@pytest.fixture
def chunks_of(monkeypatch):
    """``chunks_of(examples)``: transform so many at a time."""
    return lambda examples: monkeypatch.setattr("gpunet.training.feed.MOST_TRANSFORMED", examples * N)


@pytest.fixture
def windows_of(tmp_path, monkeypatch):
    """``windows_of(batch_size)``: windows of numbered examples."""
    make, close = windows_maker(tmp_path, monkeypatch)
    yield make
    close()
