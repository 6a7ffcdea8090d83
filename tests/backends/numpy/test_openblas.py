"""Choosing OpenBLAS's core type: only where it is safe, never over a user's setting."""

import os

import pytest

from gpunet_numpy import openblas


@pytest.mark.parametrize(
    ("architecture", "flags", "slow"),
    [
        ("Haswell", openblas.SKYLAKEX, True),
        ("Zen", openblas.SKYLAKEX, True),
        ("SkylakeX", openblas.SKYLAKEX, False),
        ("Haswell", {"avx2"}, False),
        ("Haswell", openblas.SKYLAKEX - {"avx512bw"}, False),
        ("Haswell", set(), False),
    ],
)
def test_what_leaves_avx512_unused(architecture, flags, slow):
    assert openblas.leaves_avx512_unused(architecture, frozenset(flags)) is slow


def test_a_users_setting_stays(monkeypatch):
    monkeypatch.setenv(openblas.VARIABLE, "Haswell")
    assert openblas.choose_core_type() is False
    assert os.environ[openblas.VARIABLE] == "Haswell"


def test_report_names_every_blas():
    pytest.importorskip("threadpoolctl")
    from gpunet_numpy.report import report

    lines = report()
    assert any(line.startswith("NumPy ") for line in lines)
    assert any("kernels" in line for line in lines)


@pytest.mark.parametrize(("count", "words"), [(1, "on 1 thread ("), (6, "on 6 threads (")])
def test_report_tells_the_threads_of_compiled_programs(count, words, monkeypatch):
    pytest.importorskip("numba")
    from gpunet_numpy.compiled import threads
    from gpunet_numpy.report import report

    monkeypatch.setattr(threads, "threads_at_start", lambda: count)
    assert sum(f"compiled programs: ready, {words}" in line for line in report()) == 1
