"""gpunet's own modules under the checks that the planted bugs are held against."""

import pytest

import core_checks as checks


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_gpunet_passes(check):
    check(checks.room_of("gpunet"))
