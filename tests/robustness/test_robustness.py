"""A few attempts of each check, and that a failure would be seen."""

import pytest

from tests.robustness.__main__ import CHECKS, outcome_of

FEW = {
    "resume": 4,
    "repeat": 2,
    "guard_pages": 20,
    "interrupt": 4,
    "kill_save": 3,
    "disk": 40,
    "damage": 300,
    "memory_level": 60,
    "memory_limit": 2,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_a_few_attempts(name):
    if name == "guard_pages":
        pytest.importorskip("numba")
    done, failures = outcome_of(name, FEW[name], seed=1, seconds=300)
    assert failures == []
    assert done >= FEW[name]
