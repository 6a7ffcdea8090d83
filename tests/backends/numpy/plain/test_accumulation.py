"""Gradient accumulation computes what the reference computes."""

import array_api_compat.numpy as xp
import pytest

from gpunet.core.plan import Layer, Plan
from gpunet.core.reference import Reference
from gpunet_numpy.plain.accumulation import Accumulation, chunk_size
from random_plans import FROZEN, OPTIMIZERS, differences, draw, plan_of, with_penalty


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer, monkeypatch):
    monkeypatch.setattr("gpunet_numpy.plain.accumulation.SMALLEST_CHUNK", 16)
    monkeypatch.setattr("gpunet_numpy.plain.accumulation.NUMBERS", 0)
    for batch_size in (25, 32, 75):
        for shuffled in (True, False):
            plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS[optimizer], batch_size, weighted=shuffled)
            assert Accumulation.unsupported_reason(plan) is None
            given = draw(plan, shuffled)
            assert not differences(plan, Accumulation(plan)(*given), Reference(xp, plan)(*given))


@pytest.mark.parametrize("frozen", FROZEN)
@pytest.mark.parametrize("optimizer", ["decay", "adamw"])
def test_frozen_layers(optimizer, frozen, monkeypatch):
    monkeypatch.setattr("gpunet_numpy.plain.accumulation.SMALLEST_CHUNK", 16)
    monkeypatch.setattr("gpunet_numpy.plain.accumulation.NUMBERS", 0)
    plan = plan_of("three-hidden", OPTIMIZERS[optimizer], 25, weighted=True, frozen=FROZEN[frozen])
    state, inputs = draw(plan)
    got = Accumulation(plan)(state, inputs)
    assert not differences(plan, got, Reference(xp, plan)(state, inputs))
    for l in FROZEN[frozen]:
        assert got[0].parameters[l] == state.parameters[l]  # the same arrays


def test_a_penalty(monkeypatch):
    monkeypatch.setattr("gpunet_numpy.plain.accumulation.SMALLEST_CHUNK", 16)
    monkeypatch.setattr("gpunet_numpy.plain.accumulation.NUMBERS", 0)
    plan = plan_of("relu-tanh-sigmoid", OPTIMIZERS["adam"], 50)
    state, inputs = draw(plan)
    plan, inputs = with_penalty(plan, inputs)
    assert not differences(plan, Accumulation(plan)(state, inputs), Reference(xp, plan)(state, inputs))


def test_which_batches_are_large():
    wide, narrow = (
        Plan((Layer(4, units, "tanh"),), "squared_error", OPTIMIZERS["plain"], 10**6, 1)
        for units in (5000, 64)
    )
    assert chunk_size(wide) == 512
    assert chunk_size(narrow) == 4096
    assert "fits in one chunk" in Accumulation.unsupported_reason(wide)


def test_dropout_masks_are_for_whole_batches():
    layers = (Layer(4, 5000, "tanh", 0.5),)
    plan = Plan(layers, "squared_error", OPTIMIZERS["plain"], 10**6, 10**6)
    assert "dropout" in Accumulation.unsupported_reason(plan)
