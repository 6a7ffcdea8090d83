"""Which gradients of parts NumPy has: compiled ones, where they are ready."""

from dataclasses import replace

import pytest

from gpunet_numpy import select
from random_plans import OPTIMIZERS, plan_of

PLAN = replace(plan_of("wide", OPTIMIZERS["adam"], 75, "float32"), in_parts=True)


def test_only_where_they_are_compiled(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("GPUNET_COMPILE", "wait")
    assert type(select.part_gradients(PLAN)).__name__ == "CompiledGradients"
    monkeypatch.setattr(select, "unready_reason", lambda *_: "not yet")
    assert select.part_gradients(PLAN) is None
    monkeypatch.setenv("GPUNET_COMPILE", "never")
    assert select.part_gradients(PLAN) is None


def test_only_of_supported_plans(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("GPUNET_COMPILE", "wait")
    frozen = plan_of("three-hidden", OPTIMIZERS["adam"], 75, "float32", frozen=(0,))
    assert select.part_gradients(replace(frozen, in_parts=True)) is None
