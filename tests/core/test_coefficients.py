"""Coefficients of many steps at once: to the bit those that each step's own formula gives."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.schedules import Ramp, Scaled, rates_at

STEPS = range(3, 640)
PLANNED, UPDATES = 700, 41


def cosine(s):
    def rate(step, planned):
        rising = s.warmup * planned
        if step < rising:
            return s.initial * (step + 1) / (rising + 1)
        t = (step - rising) / max(planned - rising, 1)
        return s.final + 0.5 * (s.initial - s.final) * (1.0 + math.cos(math.pi * t))

    return rate


def exponential(s):
    return lambda step, _: s.initial * s.factor ** (step // s.every if s.stairs else step / s.every)


def inverse_time(s):
    return lambda step, _: s.initial / (1.0 + step / s.half_life)


def ramp(s):
    return lambda step, _: (
        s.lowest * (s.highest / s.lowest) ** (step / (s.length - 1)) if step < s.length else 0.0
    )


def halved(step, planned):
    return np.float32(0.3) / (1 + step)


class Rising(gn.Cosine):
    """Cosine has a formula for many steps, which is not this one's."""

    def __call__(self, step, planned):
        return 1e-4 * (step + 1)


# Schedules, and the rate of a step by its own formula.
FORMULAS = {
    "number": (0.3, lambda step, planned: 0.3),
    "whole number": (2, lambda step, planned: 2.0),
    "cosine": (gn.Cosine(0.37, 0.013), cosine(gn.Cosine(0.37, 0.013))),
    "warm-up": (gn.Cosine(0.37, warmup=0.31), cosine(gn.Cosine(0.37, warmup=0.31))),
    "exponential": (gn.Exponential(0.7, 0.9, 7), exponential(gn.Exponential(0.7, 0.9, 7))),
    "rising": (gn.Exponential(0.7, 3, 90), exponential(gn.Exponential(0.7, 3, 90))),
    "stairs": (gn.Exponential(0.7, 3, 9, True), exponential(gn.Exponential(0.7, 3, 9, True))),
    "inverse time": (gn.InverseTime(0.7, 13), inverse_time(gn.InverseTime(0.7, 13))),
    "ramp": (Ramp(1e-5, 3.0, 600), ramp(Ramp(1e-5, 3.0, 600))),
    "scaled": (
        Scaled(gn.Cosine(0.37, warmup=0.1), 0.3),
        lambda *at: 0.3 * cosine(gn.Cosine(0.37, warmup=0.1))(*at),
    ),
    "function": (halved, lambda *at: float(halved(*at))),
    "subclass": (Rising(0.5), Rising(0.5)),
}


def of_updates(schedule):
    """A rate by the number of updates since the optimizer began."""
    return lambda step, planned, updates: cosine(schedule)(min(updates, schedule.steps), schedule.steps)


CASES = {name: (s, lambda a, b, _, f=f: f(a, b)) for name, (s, f) in FORMULAS.items()} | {
    "over several runs": (long := gn.Cosine(0.4, 0.01, 0.2, 500), of_updates(long)),
    "over several runs, scaled": (Scaled(long, 1.7), lambda *at: 1.7 * of_updates(long)(*at)),
}


@pytest.mark.parametrize("case", CASES)
def test_rates(case):
    schedule, formula = CASES[case]
    found = rates_at(schedule, STEPS, PLANNED, UPDATES)
    wanted = [formula(step, PLANNED, UPDATES + i) for i, step in enumerate(STEPS)]
    assert [np.float64(one).tobytes() for one in found] == [np.float64(one).tobytes() for one in wanted]
    assert len(set(wanted)) > 3 or "number" in case


@dataclass(frozen=True)
class Own(gn.Adam):
    """Adam's rule with coefficients of its own."""

    def coefficients(self, step, planned, updates):
        return (step + 0.25, planned, updates / 3)


@dataclass(frozen=True)
class OwnRate(gn.GradientDescent):
    def coefficients(self, step, planned, updates):
        return (step * 0.1 + updates,)


@dataclass(frozen=True)
class OwnUpdate(gn.Adam):
    """Adam's coefficients with a rule of its own."""

    def update(self, xp, theta, gradient, slots, c):
        return theta, slots


def adam(beta1, beta2):
    return lambda rate, t: (rate, rate / (1.0 - beta1**t), 1.0 / math.sqrt(1.0 - beta2**t))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("kind", "settings", "formula"),
    [
        (gn.GradientDescent, {"momentum": 0.9}, lambda rate, t: (rate,)),
        (gn.RMSprop, {}, lambda rate, t: (rate,)),
        (gn.Adam, {"beta1": 0.83, "beta2": 0.97}, adam(0.83, 0.97)),
        (gn.AdamW, {"beta1": 0.0}, adam(0.0, 0.999)),
        (OwnUpdate, {}, adam(0.9, 0.999)),
    ],
)
def test_coefficients(case, kind, settings, formula):
    rate, rate_of = CASES[case]
    optimizer = kind(rate, **settings)
    found = np.array(optimizer.coefficients_of(STEPS, PLANNED, UPDATES))
    wanted = [formula(rate_of(s, PLANNED, UPDATES + i), UPDATES + i + 1) for i, s in enumerate(STEPS)]
    one_by_one = [optimizer.coefficients(s, PLANNED, UPDATES + i) for i, s in enumerate(STEPS)]
    assert found.T.tobytes() == np.array(wanted).tobytes() == np.array(one_by_one).tobytes()


@pytest.mark.parametrize("optimizer", [Own(0.1), OwnRate(0.1), Own(gn.Cosine(0.1))])
def test_a_subclass_with_its_own(optimizer):
    found = optimizer.coefficients_of(STEPS, PLANNED, UPDATES)
    wanted = [optimizer.coefficients(s, PLANNED, UPDATES + i) for i, s in enumerate(STEPS)]
    assert list(zip(*found, strict=True)) == wanted


@pytest.mark.parametrize("optimizer", [gn.GradientDescent, gn.Adam])
def test_a_function_is_called_once_for_each_step_in_turn(optimizer):
    calls = []

    def schedule(step, planned):
        calls.append((step, planned))
        return 0.1

    optimizer(schedule).coefficients_of(STEPS, PLANNED, UPDATES)
    assert calls == [(step, PLANNED) for step in STEPS]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [gn.Adam(gn.Cosine(0.1, warmup=0.2)), gn.Adam(0.1), gn.RMSprop(0.1)])
def test_what_a_run_is_given(optimizer, dtype, monkeypatch):
    """Steps of the run, and updates of the optimizer, go on from epoch to epoch and from fit to fit."""
    given = []
    on_device = gn.training.feed.Feed.on_device

    def recorded(self, inputs, *arguments):
        given.append(inputs.coefficients)
        return on_device(self, inputs, *arguments)

    monkeypatch.setattr(gn.training.feed.Feed, "on_device", recorded)
    net = gn.Network([gn.Dense(1)], inputs=1, seed=0, backend="numpy", dtype=dtype)
    for epochs in (2, 1):
        net.fit(
            np.zeros((10, 1)),
            np.zeros(10),
            optimizer=optimizer,
            epochs=epochs,
            batch_size=3,
            callbacks=[lambda *_: None],
        )
    at = [(step, 8, step) for step in range(8)] + [(step, 4, 8 + step) for step in range(4)]
    wanted = np.array([optimizer.coefficients(*one) for one in at], dtype=dtype)
    assert np.array_equal(np.concatenate(given), wanted)
    assert all(one.flags.c_contiguous and one.dtype == dtype for one in given)
