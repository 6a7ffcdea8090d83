"""Examples for networks of three inputs and two outputs."""

import pytest


@pytest.fixture
def data(rng):
    """Inputs (12, 3) and targets (12, 2)."""
    return rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
