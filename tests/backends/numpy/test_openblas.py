"""Choosing OpenBLAS's kernels: only where it is safe, never over a user's setting."""

import os

import pytest

from gpunet_numpy import blas


@pytest.mark.parametrize(
    ("architecture", "flags", "slow"),
    [
        ("Haswell", blas.SKYLAKEX, True),
        ("Zen", blas.SKYLAKEX, True),
        ("SkylakeX", blas.SKYLAKEX, False),
        ("Haswell", {"avx2"}, False),
        ("Haswell", blas.SKYLAKEX - {"avx512bw"}, False),
        ("Haswell", set(), False),
    ],
)
def test_below(architecture, flags, slow):
    assert blas.below(architecture, frozenset(flags)) is slow


def test_a_users_setting_stays(monkeypatch):
    monkeypatch.setenv(blas.VARIABLE, "Haswell")
    assert blas.steer() is False
    assert os.environ[blas.VARIABLE] == "Haswell"


def test_report_names_every_blas():
    pytest.importorskip("threadpoolctl")
    lines = blas.report()
    assert any(line.startswith("NumPy ") for line in lines)
    assert any("kernels" in line for line in lines)
