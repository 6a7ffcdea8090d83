"""Saved networks."""

import pytest

from saved_networks import network


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.fixture
def saved(net, tmp_path):
    net.save(tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"
