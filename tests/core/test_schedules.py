"""Schedules: closed forms, settings, and their way into training."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import core_checks as checks
import gpunet as gn
from gpunet.core.schedules import Ramp, Schedule, rate_at


def test_closed_forms():
    checks.check_schedules(checks.room_of("gpunet"))


def test_cosine_falls_all_the_way_and_never_rises():
    rates = [gn.Cosine(0.5, final=0.01)(t, 200) for t in range(201)]
    assert rates[0] == 0.5
    assert rates[-1] == pytest.approx(0.01)
    assert all(a > b for a, b in itertools.pairwise(rates))


def test_warmup_rises_evenly_and_never_starts_at_zero():
    rates = [gn.Cosine(1.0, warmup=0.2)(t, 50) for t in range(11)]
    assert rates[0] > 0
    assert_allclose(np.diff(rates), rates[0])
    assert rates[10] == 1.0


def test_inverse_time_is_what_robbins_and_monro_ask_for():
    """Σ α diverges and Σ α² does not: here by comparison with 1/t (C18)."""
    rate = gn.InverseTime(0.3, half_life=10)
    assert_allclose([rate(t, 0) * (t + 10) for t in (0, 10, 1000, 10**6)], 3.0)


def test_a_number_is_a_schedule_that_stands_still():
    assert [rate_at(0.3, t, 10, t) for t in (0, 9)] == [0.3, 0.3]
    assert rate_at(lambda step, planned: step / planned, 3, 12, 5) == 0.25


@pytest.mark.parametrize("schedule", [gn.Cosine(0.1), gn.Exponential(0.1), gn.InverseTime(0.1)])
def test_they_are_schedules_and_values(schedule):
    assert isinstance(schedule, Schedule)
    assert hash(schedule) == hash(eval(repr(schedule), vars(gn)))


def test_training_uses_the_rate_of_each_step(backend):
    """With a gradient of 1 in the bias alone, the bias shows the sum of all rates."""
    schedule = gn.Exponential(0.5, factor=0.5, every=1)
    net = gn.Network([gn.Dense(1)], loss="absolute_error", inputs=1, backend=backend.name, dtype="float64")
    net.set_parameters([(np.zeros((1, 1)), np.zeros((1, 1)))])
    X, y = np.zeros((4, 1)), np.full(4, -100.0)
    history = net.fit(X, y, optimizer=gn.GradientDescent(schedule), epochs=2, batch_size=2)
    assert float(net.parameters[0][1][0, 0]) == pytest.approx(-(0.5 + 0.25 + 0.125 + 0.0625))
    assert history.learning_rate == pytest.approx([0.25, 0.0625])


def test_the_whole_run_is_what_cosine_counts():
    net = gn.Network([gn.Dense(1)], inputs=1, seed=0, backend="numpy")
    history = net.fit(
        np.zeros((10, 1)), np.zeros(10), optimizer=gn.Adam(gn.Cosine(0.1)), epochs=5, batch_size=3
    )
    last = [0.05 * (1 + math.cos(math.pi * (4 * e + 3) / 20)) for e in range(5)]
    assert history.learning_rate == pytest.approx(last, rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (gn.Cosine, {"initial": 0.0}),
        (gn.Cosine, {"initial": 0.1, "final": -1.0}),
        (gn.Cosine, {"initial": 0.1, "warmup": 1.0}),
        (gn.Exponential, {"initial": 0.1, "factor": 0.0}),
        (gn.Exponential, {"initial": 0.1, "every": 0}),
        (gn.InverseTime, {"initial": float("inf")}),
        (gn.InverseTime, {"initial": 0.1, "half_life": 0}),
    ],
)
def test_settings_out_of_range_are_refused(kind, settings):
    with pytest.raises(ValueError, match=list(settings)[-1]):
        kind(**settings)


def test_cosine_after_the_warmup_takes_the_rest_of_the_run():
    schedule = gn.Cosine(1.0, final=0.1, warmup=0.2)
    assert schedule(30, 50) == pytest.approx(0.55)
    assert schedule(50, 50) == pytest.approx(0.1)
    # A run of two steps: t = (1 − ½) / (2 − ½) = ⅓
    assert gn.Cosine(1.0, warmup=0.25)(1, 2) == pytest.approx(0.75)


def test_defaults():
    assert gn.Cosine(0.1) == gn.Cosine(0.1, final=0.0, warmup=0.0)
    assert gn.Exponential(0.1) == gn.Exponential(0.1, factor=0.5, every=1000, stairs=False)
    assert gn.InverseTime(0.1) == gn.InverseTime(0.1, half_life=1000)


def test_the_shortest_ramp_and_a_cosine_without_a_step():
    assert [Ramp(0.1, 0.2, 2)(step, 9) for step in range(3)] == [0.1, 0.2, 0.0]
    with pytest.raises(ValueError, match=r"^steps must"):
        gn.Cosine(0.1, steps=0)


@pytest.mark.parametrize("optimizer", [gn.GradientDescent, gn.RMSprop, gn.Adam, gn.AdamW])
def test_what_is_no_schedule_is_refused_at_once(optimizer):
    """Not in the middle of a training."""
    with pytest.raises(
        TypeError, match=r"^learning_rate must be .* such as Cosine\(0\.01\); got the class Cosine$"
    ):
        optimizer(gn.Cosine)
    with pytest.raises(
        TypeError, match=r"^learning_rate must be a function \(step, planned\) -> rate, or a number; the"
    ):
        optimizer(lambda epoch: 0.1)
    assert optimizer(lambda step, planned: 0.1).learning_rate(0, 1) == 0.1


@pytest.mark.parametrize(
    ("of_numpy", "own"),
    [
        (
            gn.Cosine(np.float32(0.5), np.float16(0.25), np.float32(0.125), np.int8(100)),
            gn.Cosine(0.5, 0.25, 0.125, 100),
        ),
        (gn.Exponential(np.float32(0.5), np.float32(0.75), np.int8(100)), gn.Exponential(0.5, 0.75, 100)),
        (
            gn.Exponential(np.float32(0.5), np.float32(0.75), np.int8(100), True),
            gn.Exponential(0.5, 0.75, 100, True),
        ),
        (gn.InverseTime(np.float32(0.5), np.int8(100)), gn.InverseTime(0.5, 100)),
        (Ramp(np.float32(0.25), np.float32(0.5), np.int8(100)), Ramp(0.25, 0.5, 100)),
    ],
    ids=repr,
)
def test_numbers_of_numpy_are_pythons_own(of_numpy, own):
    """Rates are computed in float64, and steps do not overflow an int8."""
    steps = range(0, 1000, 7)
    assert [of_numpy(step, 1000) for step in steps] == [own(step, 1000) for step in steps]
    assert of_numpy == own
    for name in ("initial", "lowest", "every", "half_life", "length", "steps"):
        assert type(getattr(of_numpy, name, 1)) in (int, float)


@pytest.mark.parametrize("stairs", [True, False])
@pytest.mark.parametrize("factor", [2.0, 2])
def test_a_rate_that_no_float_holds(stairs, factor):
    """Python's own error says neither which rate nor when."""
    schedule = gn.Exponential(1.0, factor=factor, every=1, stairs=stairs)
    assert schedule(1023, 2000) == 2.0**1023
    with pytest.raises(
        ValueError, match=r"^Exponential\(initial=1.0, .* too large for a float before step 1025: take"
    ):
        schedule(1024, 2000)
