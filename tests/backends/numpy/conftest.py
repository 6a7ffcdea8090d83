"""What the compiled programs need."""

import importlib.util

import pytest


@pytest.fixture
def with_numba():
    """Skips where the compiled programs' libraries are not installed."""
    for name in ("numba", "scipy", "threadpoolctl"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
